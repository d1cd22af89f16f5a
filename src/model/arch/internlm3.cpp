// InternLM 3: Llama in everything but its tokenizer.
#include "model/arch/architectures.h"

namespace qtz::arch {

ArchSpec internlm3() {
  ArchSpec spec = llama();
  spec.classes = {"InternLM3ForCausalLM"};
  spec.tokenizer = internlm3_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-6, "rope_theta": 10000.0, "max_position_embeddings": 32768})";
  return spec;
}

}  // namespace qtz::arch
