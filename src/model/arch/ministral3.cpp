// Ministral 3 and Mistral Small 3: Llama's tensors; YaRN with a log multiplier and a position-dependent
// attention temperature.
#include "model/arch/architectures.h"
#include "model/arch/llama_family.h"

namespace qtz::arch {

namespace {

void emit_temperature(ArchBuild& build) {
  const ModelConfig& config = build.config;
  if (config.text("model_type").value_or("") != "ministral3") return;
  const JsonValue& rope = config.main_rope();
  if (config.rope_type(rope) != "yarn") config.refuse("rope_parameters.rope_type", "is not 'yarn'");
  const auto multiplier = config.rope_number(rope, "mscale_all_dim");
  const auto temperature = config.rope_number(rope, "llama_4_scaling_beta");
  if (!multiplier) config.refuse("rope_parameters.mscale_all_dim", "is missing");
  if (!temperature) config.refuse("rope_parameters.llama_4_scaling_beta", "is missing");
  build.set("rope.scaling.yarn_log_multiplier", static_cast<float>(*multiplier));
  build.set("attention.temperature_scale", static_cast<float>(*temperature));
}

void prepare(ModelConfig& config) {
  if (config.text("model_type").value_or("") == "mistral4") {
    config.refuse("model_type", "is 'mistral4', which this version does not know");
  }
  fill_in_heads(config);
}

}  // namespace

ArchSpec ministral3() {
  ArchSpec spec = mistral();
  spec.classes = {"Ministral3ForCausalLM", "Mistral3ForConditionalGeneration"};
  spec.gguf_name = "mistral3";
  spec.keys.push_back(computed_keys(emit_temperature));
  spec.prepare = prepare;
  return spec;
}

}  // namespace qtz::arch
