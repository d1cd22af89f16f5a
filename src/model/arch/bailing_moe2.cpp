// Ling 2 and Ring 2 (Bailing MoE 2): norms of q and k, rotary on a part of each head, sigmoid-routed experts
// with a correction bias; prediction layers are kept.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/bailing_family.h"
#include "model/arch/deepseek_family.h"
#include "model/config_parts.h"

namespace qtz::arch {

namespace {

void emit_rope_and_shared_size(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const double part = config.rope_number(config.rope(), "partial_rotary_factor").value_or(0.5);
  if (!(part > 0) || !(part <= 1)) config.refuse("partial_rotary_factor", "is not between 0 and 1");
  build.set("rope.dimension_count",
            static_cast<std::uint32_t>(static_cast<double>(config.head_dim()) * part));
  const auto told = config.uint("moe_shared_expert_intermediate_size");
  const std::uint64_t size =
      told ? *told : config.need_uint("moe_intermediate_size") * config.need_uint("num_shared_experts");
  if (size >= (std::uint64_t{1} << 31)) config.refuse("num_shared_experts", "makes an absurd size");
  build.set("expert_shared_feed_forward_length", static_cast<std::uint32_t>(size));
}

}  // namespace

ArchSpec bailing_moe2() {
  ArchSpec spec;
  spec.classes = {"BailingMoeV2ForCausalLM"};
  spec.gguf_name = "bailingmoe2";
  spec.tokenizer = bpe_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-6, "rope_theta": 600000.0, "first_k_dense_replace": 0,
                      "num_shared_experts": 0, "norm_topk_prob": true, "routed_scaling_factor": 1.0,
                      "score_function": "sigmoid"})";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      bailing_expert_keys(),
      {
          computed_keys(emit_rope_and_shared_size),
          f32_key("expert_weights_scale", "routed_scaling_factor"),
          optional_key(u32_key("nextn_predict_layers", "num_nextn_predict_layers")),
      },
  });
  spec.tensors = joined<TensorRule>({
      bailing_trunk(),
      {
          {"model.layers.{L}.input_layernorm.weight", "blk.{L}.attn_norm.weight"},
          {"model.layers.{L}.attention.query_key_value.weight", "blk.{L}.attn_qkv.weight"},
          {"model.layers.{L}.attention.query_layernorm.weight", "blk.{L}.attn_q_norm.weight"},
          {"model.layers.{L}.attention.key_layernorm.weight", "blk.{L}.attn_k_norm.weight"},
          {"model.layers.{L}.attention.dense.weight", "blk.{L}.attn_output.weight"},
          {"model.layers.{L}.mlp.gate.expert_bias", "blk.{L}.exp_probs_b.bias", nullptr, "?"},
          {"model.layers.{L}.final_layernorm.weight", "blk.{L}.layer_output_norm.weight", nullptr, "?"},
      },
      mlp_norm(),
      experts(),
      shared_experts(),
      gated_mlp(),
      prediction_layer(),
  });
  spec.prepare = [](ModelConfig& config) {
    refuse_normalized_output(config);
    fill_in_kv_heads(config);
    count_prediction_layers(config);
  };
  spec.parts = {{"blk.{L}.nextn.embed_tokens.weight", never}, {"blk.{L}.nextn.shared_head_*", never}};
  return spec;
}

}  // namespace qtz::arch
