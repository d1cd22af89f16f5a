// Qwen 3, dense: Qwen 2 without biases, with norms on q and k.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"

namespace qtz::arch {

ArchSpec qwen3() {
  ArchSpec spec = qwen2();
  spec.classes = {"Qwen3ForCausalLM", "Qwen3Model"};
  spec.gguf_name = "qwen3";
  spec.defaults = R"({"rms_norm_eps": 1e-6, "rope_theta": 10000.0, "max_position_embeddings": 32768,
                      "num_key_value_heads": 32, "head_dim": 128})";
  spec.tensors = joined<TensorRule>({trunk(), attention(), query_key_norms(), mlp_norm(), gated_mlp()});
  spec.parts = {};
  return spec;
}

}  // namespace qtz::arch
