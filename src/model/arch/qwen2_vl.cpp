// Qwen 2 VL, 2.5 VL and the thinker of 2.5 Omni, text part: Qwen 2 with rotary sections for time, height and
// width.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/qwen_family.h"

namespace qtz::arch {

namespace {

void require_sections(ArchBuild& build) {
  if (build.config.rope().find("mrope_section") != nullptr) return;
  build.config.refuse("rope_scaling.mrope_section", "is missing, but llama.cpp needs it");
}

}  // namespace

std::string without_thinker(std::string name, const ModelConfig&) {
  constexpr std::string_view kThinker = "thinker.";
  return name.starts_with(kThinker) ? name.substr(kThinker.size()) : name;
}

ArchSpec qwen2_vl() {
  ArchSpec spec = qwen2();
  spec.classes = {"Qwen2VLForConditionalGeneration", "Qwen2VLModel", "Qwen2_5_VLForConditionalGeneration",
                  "Qwen2_5OmniModel"};
  spec.gguf_name = "qwen2vl";
  spec.keys = joined<KeyRule>({standard_keys(), {computed_keys(require_sections)}});
  spec.rename = without_thinker;
  return spec;
}

}  // namespace qtz::arch
