// Gemma 3, text part: Gemma 2 with norms on q and k, two rope bases, no softcap in attention.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"

namespace qtz::arch {

namespace {

void emit_window(ArchBuild& build) {
  const auto pattern = build.config.uint("sliding_window_pattern");
  if (pattern && *pattern == 1) return;
  build.set("attention.sliding_window", static_cast<std::uint32_t>(build.config.need_uint("sliding_window")));
}

void prepare(ModelConfig& config) {
  if (config.has("attn_logit_softcapping")) {
    config.refuse("attn_logit_softcapping", "is set, which Gemma 3 does not have");
  }
}

}  // namespace

ArchSpec gemma3() {
  ArchSpec spec = gemma2();
  spec.classes = {"Gemma3ForCausalLM", "Gemma3ForConditionalGeneration"};
  spec.gguf_name = "gemma3";
  spec.tokenizer = gemma3_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-6, "max_position_embeddings": 131072, "head_dim": 256,
                      "num_attention_heads": 8, "num_key_value_heads": 4, "sliding_window": 4096,
                      "rope_theta": 1000000.0, "rope_local_base_freq": 10000.0})";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      {
          optional_key(f32_key("final_logit_softcapping", "final_logit_softcapping")),
          computed_keys(emit_window),
      },
  });
  spec.tensors = joined<TensorRule>({spec.tensors, query_key_norms()});
  for (TensorRule& rule : spec.tensors) {
    if (rule.source.ends_with("norm.{W}")) rule.transform = plus_one;
  }
  spec.prepare = prepare;
  return spec;
}

}  // namespace qtz::arch
