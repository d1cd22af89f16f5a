// AFMoE (Trinity): gated attention, norms around attention and MLP, leading dense layers, then experts with a
// routing bias and a shared expert.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"

namespace qtz::arch {

ArchSpec afmoe() {
  ArchSpec spec = llama();
  spec.classes = {"AfmoeForCausalLM"};
  spec.gguf_name = "afmoe";
  // The digits' expression of these models is not in the table as they spell it.
  spec.tokenizer.pre_names.emplace_back("", "afmoe");
  spec.defaults = R"({"rms_norm_eps": 1e-5, "rope_theta": 10000.0})";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      vocabulary_and_rope_size(),
      {
          optional_key(u32_key("expert_shared_count", "num_shared_experts")),
          optional_key(u32_key("expert_feed_forward_length", "moe_intermediate_size")),
          optional_key(u32_key("leading_dense_block_count", "num_dense_layers")),
          optional_key(bool_key("expert_weights_norm", "route_norm")),
          optional_key(f32_key("expert_weights_scale", "route_scale")),
          optional_key(u32_key("attention.sliding_window", "sliding_window")),
      },
  });
  std::vector<TensorRule> routed = experts();
  routed.front().source = "model.layers.{L}.mlp.router.gate.weight";
  spec.tensors = joined<TensorRule>({
      trunk(),
      attention(),
      query_key_norms(),
      {
          {"model.layers.{L}.self_attn.gate_proj.{W}", "blk.{L}.attn_gate.{W}"},
          {"model.layers.{L}.post_attention_layernorm.{W}", "blk.{L}.post_attention_norm.{W}"},
          {"model.layers.{L}.pre_mlp_layernorm.{W}", "blk.{L}.ffn_norm.{W}"},
          {"model.layers.{L}.post_mlp_layernorm.{W}", "blk.{L}.post_ffw_norm.{W}"},
          {"model.layers.{L}.mlp.expert_bias", "blk.{L}.exp_probs_b.bias", nullptr, "?"},
      },
      routed,
      shared_experts(),
      gated_mlp(),
  });
  spec.prepare = nullptr;
  return spec;
}

}  // namespace qtz::arch
