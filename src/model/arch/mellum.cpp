// Mellum 2: Qwen 3's MoE with a sliding window on some layers.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"

namespace qtz::arch {

namespace {

void emit_window(ArchBuild& build) {
  const auto window = build.config.uint("sliding_window");
  if (!window || !build.config.boolean("use_sliding_window").value_or(true)) return;
  build.set("attention.sliding_window", static_cast<std::uint32_t>(*window));
  build.set("attention.sliding_window_pattern",
            GgufValue::bool_array(layers_of_type(build.config, "sliding_attention")));
}

}  // namespace

ArchSpec mellum() {
  ArchSpec spec = qwen3_moe();
  spec.classes = {"MellumForCausalLM"};
  spec.gguf_name = "mellum";
  spec.defaults = R"({"rms_norm_eps": 1e-6})";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      {optional_key(u32_key("expert_feed_forward_length", "moe_intermediate_size")),
       computed_keys(emit_window)},
  });
  return spec;
}

}  // namespace qtz::arch
