// Phi-3.5 MoE: Phi-3's long rope with layer norms, biases and experts.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/config_parts.h"

namespace qtz::arch {

ArchSpec phimoe() {
  ArchSpec spec = phi3();
  spec.classes = {"PhiMoEForCausalLM", "PhimoeForCausalLM"};
  spec.gguf_name = "phimoe";
  spec.defaults = R"({"rms_norm_eps": 1e-5, "original_max_position_embeddings": 4096, "rope_theta": 1000000.0,
                      "num_local_experts": 16, "num_experts_per_tok": 2})";
  spec.keys = joined<KeyRule>({
      spec.keys,
      {
          u32_key("expert_used_count", "num_experts_per_tok|num_experts_per_token"),
          u32_key("expert_count", "num_local_experts|num_experts"),
      },
  });
  spec.tensors = joined<TensorRule>({
      trunk(),
      attention(),
      mlp_norm(),
      {
          {"model.layers.{L}.block_sparse_moe.gate.weight", "blk.{L}.ffn_gate_inp.weight"},
          {"model.layers.{L}.block_sparse_moe.experts.{E}.w1.weight", "blk.{L}.ffn_gate_exps.weight"},
          {"model.layers.{L}.block_sparse_moe.experts.{E}.w2.weight", "blk.{L}.ffn_down_exps.weight"},
          {"model.layers.{L}.block_sparse_moe.experts.{E}.w3.weight", "blk.{L}.ffn_up_exps.weight"},
      },
  });
  spec.parts = {{"*.bias", always}};
  return spec;
}

}  // namespace qtz::arch
