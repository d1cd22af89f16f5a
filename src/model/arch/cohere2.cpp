// Command-R 7B and later: Cohere with a sliding window on three of four layers.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"

namespace qtz::arch {

namespace {

void emit_rope_size(ArchBuild& build) {
  const double part = build.config.number("rotary_pct").value_or(1.0);
  const std::uint64_t per_head = build.config.hidden_size() / build.config.head_count();
  build.set("rope.dimension_count", static_cast<std::uint32_t>(part * static_cast<double>(per_head)));
}

}  // namespace

ArchSpec cohere2() {
  ArchSpec spec = cohere();
  spec.classes = {"Cohere2ForCausalLM"};
  spec.gguf_name = "cohere2";
  spec.defaults = R"({"layer_norm_eps": 1e-5, "rope_theta": 10000.0, "max_position_embeddings": 8192,
                      "logit_scale": 0.0625, "sliding_window": 4096})";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      {
          f32_key("logit_scale", "logit_scale"),
          u32_key("attention.sliding_window", "sliding_window"),
          u32_key("vocab_size", "vocab_size"),
          computed_keys(emit_rope_size),
          computed_keys([](ArchBuild& build) { build.set("rope.scaling.type", "none"); }),
      },
  });
  return spec;
}

}  // namespace qtz::arch
