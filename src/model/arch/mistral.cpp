// Mistral 7B and its relatives: Llama with another configuration class.
#include "model/arch/architectures.h"
#include "model/arch/llama_family.h"

namespace qtz::arch {

ArchSpec mistral() {
  ArchSpec spec = llama();
  spec.classes = {"MistralForCausalLM"};
  spec.defaults = R"({"rms_norm_eps": 1e-6, "rope_theta": 10000.0, "max_position_embeddings": 131072,
                      "num_key_value_heads": 8})";
  return spec;
}

}  // namespace qtz::arch
