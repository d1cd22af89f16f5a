// EXAONE 4: norms after attention and MLP instead of before, norms per head of q and k; the large model
// slides a window over three of four layers.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"

namespace qtz::arch {

namespace {

/// Which layers slide: as listed, else by a pattern that is a text ("LLLG") or the distance between two
/// layers that do not.
std::vector<bool> sliding_layers(const ModelConfig& config) {
  std::vector<bool> sliding = layers_of_type(config, "sliding_attention");
  if (!sliding.empty()) return sliding;
  const auto pattern = config.find("sliding_window_pattern");
  const bool spelled = pattern && pattern->value->is_string();
  const std::string letters = spelled ? *pattern->value->as_string() : std::string();
  const std::uint64_t period = spelled ? letters.size() : config.uint("sliding_window_pattern").value_or(4);
  if (period == 0) config.refuse("sliding_window_pattern", "is empty");
  for (std::uint64_t layer = 0; layer < config.block_count(); ++layer) {
    sliding.push_back(spelled ? letters[layer % period] == 'L' : (layer + 1) % period != 0);
  }
  return sliding;
}

void emit_window(ArchBuild& build) {
  const auto window = build.config.uint("sliding_window");
  if (!window) return;
  build.set("attention.sliding_window", static_cast<std::uint32_t>(*window));
  build.set("attention.sliding_window_pattern", GgufValue::bool_array(sliding_layers(build.config)));
}

}  // namespace

ArchSpec exaone4() {
  ArchSpec spec = olmo2();
  spec.classes = {"Exaone4ForCausalLM"};
  spec.gguf_name = "exaone4";
  spec.defaults = R"({"rms_norm_eps": 1e-5, "rope_theta": 10000.0, "max_position_embeddings": 2048,
                      "num_key_value_heads": 32})";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      {u32_key("vocab_size", "vocab_size"), computed_keys(emit_window)},
  });
  spec.finish = add_llama3_rope_factors;
  return spec;
}

}  // namespace qtz::arch
