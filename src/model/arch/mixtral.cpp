// Mixtral: Mistral's attention with a router and experts w1 (gate), w2 (down), w3 (up) per layer.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/llama_family.h"

namespace qtz::arch {

ArchSpec mixtral() {
  ArchSpec spec = llama();
  spec.classes = {"MixtralForCausalLM"};
  spec.defaults = R"({"rms_norm_eps": 1e-5, "rope_theta": 1000000.0, "max_position_embeddings": 131072,
                      "num_key_value_heads": 8, "num_local_experts": 8, "num_experts_per_tok": 2})";
  spec.tensors = joined<TensorRule>({
      trunk(),
      attention_permuted(),
      mlp_norm(),
      {
          {"model.layers.{L}.block_sparse_moe.gate.weight", "blk.{L}.ffn_gate_inp.weight"},
          {"model.layers.{L}.block_sparse_moe.experts.{E}.w1.weight", "blk.{L}.ffn_gate_exps.weight"},
          {"model.layers.{L}.block_sparse_moe.experts.{E}.w2.weight", "blk.{L}.ffn_down_exps.weight"},
          {"model.layers.{L}.block_sparse_moe.experts.{E}.w3.weight", "blk.{L}.ffn_up_exps.weight"},
      },
  });
  spec.prepare = nullptr;  // its configuration class leaves head_dim open
  return spec;
}

}  // namespace qtz::arch
