// SmolLM 3: Llama with rotary positions on three of four layers; llama.cpp knows which without a key.
#include "model/arch/architectures.h"
#include "model/arch/llama_family.h"

namespace qtz::arch {

ArchSpec smollm3() {
  ArchSpec spec = llama();
  spec.classes = {"SmolLM3ForCausalLM"};
  spec.gguf_name = "smollm3";
  spec.defaults = R"({"rms_norm_eps": 1e-6, "rope_theta": 2000000.0, "max_position_embeddings": 32768,
                      "num_key_value_heads": 4})";
  spec.prepare = nullptr;  // its configuration class leaves head_dim open
  return spec;
}

}  // namespace qtz::arch
