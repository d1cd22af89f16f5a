// Granite, dense: Llama with four scales.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/granite_family.h"
#include "model/arch/llama_family.h"

namespace qtz::arch {

namespace {

void set_scale(ArchBuild& build, std::string_view key, std::string_view field) {
  const auto value = build.config.number(field);
  if (value && *value != 0) build.set(key, static_cast<float>(*value));
}

void emit_scales(ArchBuild& build) {
  set_scale(build, "attention.scale", "attention_multiplier");
  set_scale(build, "embedding_scale", "embedding_multiplier");
  set_scale(build, "residual_scale", "residual_multiplier");
  set_scale(build, "logit_scale", "logits_scaling");
}

}  // namespace

std::vector<KeyRule> granite_keys() {
  return joined<KeyRule>({standard_keys(), vocabulary_and_rope_size(), {computed_keys(emit_scales)}});
}

void ignore_head_dim(ModelConfig& config) {
  config.set("head_dim", nullptr);
  if (!config.has("num_key_value_heads")) config.set("num_key_value_heads", config.head_count());
}

ArchSpec granite() {
  ArchSpec spec = llama();
  spec.classes = {"GraniteForCausalLM"};
  spec.gguf_name = "granite";
  spec.keys = granite_keys();
  spec.prepare = ignore_head_dim;
  return spec;
}

}  // namespace qtz::arch
