// Youtu-LLM: DeepSeek's latent attention in a dense model; a tied output that is stored is left out.
#include "model/arch/architectures.h"

namespace qtz::arch {

ArchSpec youtu() {
  ArchSpec spec = deepseek2();
  spec.classes = {"YoutuForCausalLM"};
  return spec;
}

}  // namespace qtz::arch
