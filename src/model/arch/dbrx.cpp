// DBRX: fused qkv, experts stored as one tall matrix each for w1, v1 and w2, the last turned.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/tensor_ops.h"

namespace qtz::arch {

namespace {

/// The settings of attention and experts lie in objects of their own.
void prepare(ModelConfig& config) {
  const auto raise = [&](std::string_view from, std::string_view field, std::string to) {
    const JsonValue* part = config.json().find(from);
    const JsonValue* value = part == nullptr ? nullptr : part->find(field);
    if (value != nullptr) config.set(std::move(to), JsonValue(*value));
  };
  raise("attn_config", "kv_n_heads", "num_key_value_heads");
  raise("attn_config", "clip_qkv", "clip_qkv");
  raise("attn_config", "rope_theta", "rope_theta");
  raise("ffn_config", "ffn_hidden_size", "intermediate_size");
  raise("ffn_config", "moe_num_experts", "num_experts");
  raise("ffn_config", "moe_top_k", "num_experts_per_tok");
}

TensorExprPtr by_expert(TensorExprPtr input, const ArchBuild& build) {
  const ModelConfig& config = build.config;
  return reshaped(std::move(input),
                  Shape{config.expert_count(), config.need_uint("intermediate_size"), config.hidden_size()});
}

TensorExprPtr by_expert_turned(TensorExprPtr input, const ArchBuild& build) {
  return transposed(by_expert(std::move(input), build));
}

}  // namespace

ArchSpec dbrx() {
  ArchSpec spec;
  spec.classes = {"DbrxForCausalLM"};
  spec.gguf_name = "dbrx";
  spec.tokenizer = bpe_tokenizer();
  spec.optional_prefix = "transformer.";
  spec.narrow_routers = true;
  spec.keys = {
      u32_key("block_count", "n_layers"),
      u32_key("context_length", "max_seq_len"),
      u32_key("embedding_length", "d_model"),
      u32_key("feed_forward_length", "intermediate_size"),
      u32_key("attention.head_count", "n_heads"),
      u32_key("attention.head_count_kv", "num_key_value_heads"),
      f32_key("rope.freq_base", "rope_theta"),
      f32_key("attention.clamp_kqv", "clip_qkv"),
      u32_key("expert_count", "num_experts"),
      u32_key("expert_used_count", "num_experts_per_tok"),
      computed_keys([](ArchBuild& build) { build.set("attention.layer_norm_epsilon", 1e-5F); }),
  };
  spec.tensors = {
      {"transformer.wte.weight", "token_embd.weight"},
      {"transformer.norm_f.weight", "output_norm.weight"},
      {"lm_head.weight", "output.weight", nullptr, "?"},
      {"transformer.blocks.{L}.norm_attn_norm.norm_1.weight", "blk.{L}.attn_norm.weight"},
      {"transformer.blocks.{L}.norm_attn_norm.norm_2.weight", "blk.{L}.attn_output_norm.weight"},
      {"transformer.blocks.{L}.norm_attn_norm.attn.Wqkv.weight", "blk.{L}.attn_qkv.weight"},
      {"transformer.blocks.{L}.norm_attn_norm.attn.out_proj.weight", "blk.{L}.attn_output.weight"},
      {"transformer.blocks.{L}.ffn.router.layer.weight", "blk.{L}.ffn_gate_inp.weight"},
      {"transformer.blocks.{L}.ffn.experts.mlp.w1", "blk.{L}.ffn_gate_exps.weight", by_expert},
      {"transformer.blocks.{L}.ffn.experts.mlp.v1", "blk.{L}.ffn_up_exps.weight", by_expert},
      {"transformer.blocks.{L}.ffn.experts.mlp.w2", "blk.{L}.ffn_down_exps.weight", by_expert_turned},
  };
  spec.prepare = prepare;
  return spec;
}

}  // namespace qtz::arch
