// Qwen 1.5 and 2 with experts: a shared expert with a gate of its own beside the routed ones.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/qwen_family.h"
#include "model/config_parts.h"

namespace qtz::arch {

namespace {

bool has_bias(const ModelConfig& config, std::uint64_t) {
  return config.boolean("qkv_bias").value_or(true);
}

}  // namespace

std::vector<TensorRule> gated_shared_expert() {
  return {
      {"model.layers.{L}.mlp.shared_expert_gate.weight", "blk.{L}.ffn_gate_inp_shexp.weight", nullptr,
       "ffn:experts|ffn:fused"},
      {"model.layers.{L}.mlp.shared_expert.gate_proj.weight", "blk.{L}.ffn_gate_shexp.weight", nullptr,
       "ffn:experts|ffn:fused"},
      {"model.layers.{L}.mlp.shared_expert.up_proj.weight", "blk.{L}.ffn_up_shexp.weight", nullptr,
       "ffn:experts|ffn:fused"},
      {"model.layers.{L}.mlp.shared_expert.down_proj.weight", "blk.{L}.ffn_down_shexp.weight", nullptr,
       "ffn:experts|ffn:fused"},
  };
}

ArchSpec qwen2_moe() {
  ArchSpec spec = qwen3_moe();
  spec.classes = {"Qwen2MoeForCausalLM"};
  spec.gguf_name = "qwen2moe";
  spec.defaults = R"({"rms_norm_eps": 1e-6, "rope_theta": 10000.0, "max_position_embeddings": 32768,
                      "num_key_value_heads": 16, "num_experts": 60, "num_experts_per_tok": 4,
                      "moe_intermediate_size": 1408, "shared_expert_intermediate_size": 5632})";
  spec.tensors =
      joined<TensorRule>({trunk(), attention(), mlp_norm(), experts(), gated_shared_expert(), gated_mlp()});
  spec.parts = {{"blk.{L}.attn_q.bias", has_bias},
                {"blk.{L}.attn_k.bias", has_bias},
                {"blk.{L}.attn_v.bias", has_bias}};
  return spec;
}

}  // namespace qtz::arch
