// GLM-4.5V and 4.6V, text part: GLM-4.5 with rotary sections, whose rows are in llama.cpp's order already.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"

namespace qtz::arch {

ArchSpec glm4v_moe() {
  ArchSpec spec = glm4_moe();
  spec.classes = {"Glm4vMoeForConditionalGeneration"};
  return spec;
}

}  // namespace qtz::arch
