// Qwen 3.5 and 3.6 with experts, text part.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/qwen_family.h"

namespace qtz::arch {

ArchSpec qwen3_5_moe() {
  ArchSpec spec = qwen3_5();
  spec.classes = {"Qwen3_5MoeForCausalLM", "Qwen3_5MoeForConditionalGeneration"};
  spec.gguf_name = "qwen35moe";
  spec.tensors = joined<TensorRule>({spec.tensors, experts(), gated_shared_expert()});
  return spec;
}

}  // namespace qtz::arch
