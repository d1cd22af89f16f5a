// Ling (Bailing MoE): q, k and v fused, routed and shared experts in every layer.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/bailing_family.h"
#include "model/arch/qkv_blocks.h"

namespace qtz::arch {

namespace {

TensorExprPtr query_rows(TensorExprPtr input, const ArchBuild& build) {
  return rope_query_rows(query_part(std::move(input), build), build);
}

TensorExprPtr key_rows(TensorExprPtr input, const ArchBuild& build) {
  return rope_key_rows(key_part(std::move(input), build), build);
}

void emit_rope_and_scale(ArchBuild& build) {
  build.set("rope.dimension_count", static_cast<std::uint32_t>(build.config.head_dim()));
  build.set("expert_weights_scale", 1.0F);
}

}  // namespace

std::vector<KeyRule> bailing_expert_keys() {
  return {
      u32_key("leading_dense_block_count", "first_k_dense_replace"),
      u32_key("vocab_size", "vocab_size"),
      u32_key("expert_feed_forward_length", "moe_intermediate_size"),
      u32_key("expert_shared_count", "num_shared_experts"),
      bool_key("expert_weights_norm", "norm_topk_prob"),
  };
}

std::vector<TensorRule> bailing_trunk() {
  return {
      {"model.word_embeddings.weight", "token_embd.weight"},
      {"model.norm.weight", "output_norm.weight"},
      {"lm_head.weight", "output.weight"},
  };
}

void refuse_normalized_output(const ModelConfig& config) {
  if (!config.boolean("norm_head").value_or(false)) return;
  config.refuse("norm_head", "is true: outputs that are normalized when the model runs are not supported");
}

ArchSpec bailing_moe() {
  ArchSpec spec;
  spec.classes = {"BailingMoeForCausalLM"};
  spec.gguf_name = "bailingmoe";
  spec.tokenizer = bpe_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-6, "rope_theta": 10000.0, "first_k_dense_replace": 0,
                      "num_shared_experts": 0, "norm_topk_prob": true})";
  spec.keys = joined<KeyRule>({standard_keys(), bailing_expert_keys(), {computed_keys(emit_rope_and_scale)}});
  spec.tensors = joined<TensorRule>({
      bailing_trunk(),
      {
          {"model.layers.{L}.input_layernorm.weight", "blk.{L}.attn_norm.weight"},
          {"model.layers.{L}.attention.query_key_value.weight", "blk.{L}.attn_q.weight", query_rows},
          {"model.layers.{L}.attention.query_key_value.weight", "blk.{L}.attn_k.weight", key_rows},
          {"model.layers.{L}.attention.query_key_value.weight", "blk.{L}.attn_v.weight", value_part},
          {"model.layers.{L}.attention.dense.weight", "blk.{L}.attn_output.weight"},
      },
      mlp_norm(),
      experts(),
      shared_experts(),
  });
  spec.prepare = [](ModelConfig& config) {
    refuse_normalized_output(config);
    fill_in_kv_heads(config);
  };
  return spec;
}

}  // namespace qtz::arch
