// Arcee's AFM: Llama with a squared ReLU, so without a gate projection.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/llama_family.h"

namespace qtz::arch {

ArchSpec arcee() {
  ArchSpec spec = llama();
  spec.classes = {"ArceeForCausalLM"};
  spec.gguf_name = "arcee";
  spec.defaults = R"({"rms_norm_eps": 1e-5, "rope_theta": 10000.0, "max_position_embeddings": 4096})";
  spec.keys.push_back(pooling_key());
  spec.tensors = joined<TensorRule>({trunk(), attention_permuted(), mlp_norm(), ungated_mlp()});
  return spec;
}

}  // namespace qtz::arch
