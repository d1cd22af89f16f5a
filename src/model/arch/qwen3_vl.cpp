// Qwen 3 VL, dense, text part: Qwen 3 with rotary sections; its first layers also take features from inside
// the vision part, and the key says how many do.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/qwen_family.h"

namespace qtz::arch {

namespace {

void emit_vision_facts(ArchBuild& build) {
  const ModelConfig& config = build.config;
  std::uint64_t layers = 3;  // of the class, as are the sections below
  const JsonValue* vision = config.stored().find("vision_config");
  if (vision != nullptr && !vision->is_null()) {
    const ModelConfig part(*vision, config.where() + ": 'vision_config'");
    if (part.has("deepstack_visual_indexes")) layers = part.uints("deepstack_visual_indexes").size();
  }
  build.set("n_deepstack_layers", static_cast<std::uint32_t>(layers));
  if (config.rope().find("mrope_section") != nullptr) return;
  build.set("rope.dimension_sections", std::vector<std::int32_t>{24, 20, 20, 0});
}

}  // namespace

std::vector<KeyRule> deepstack_keys() {
  return {computed_keys(emit_vision_facts)};
}

ArchSpec qwen3_vl() {
  ArchSpec spec = qwen3();
  spec.classes = {"Qwen3VLForConditionalGeneration"};
  spec.gguf_name = "qwen3vl";
  spec.keys = joined<KeyRule>({standard_keys(), deepstack_keys()});
  spec.rename = without_thinker;
  return spec;
}

}  // namespace qtz::arch
