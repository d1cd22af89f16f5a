// OLMo 2 and 3: norms after attention and MLP instead of before, norms over all of q and k; OLMo 3 slides a
// window over three of four layers.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"

namespace qtz::arch {

namespace {

void emit_window(ArchBuild& build) {
  const auto window = build.config.uint("sliding_window");
  if (!window) return;
  build.set("attention.sliding_window", static_cast<std::uint32_t>(*window));
  std::vector<bool> sliding = layers_of_type(build.config, "sliding_attention");
  for (std::uint64_t layer = sliding.size(); layer < build.config.block_count(); ++layer) {
    sliding.push_back((layer + 1) % 4 != 0);
  }
  build.set("attention.sliding_window_pattern", GgufValue::bool_array(sliding));
}

}  // namespace

ArchSpec olmo2() {
  ArchSpec spec;
  spec.classes = {"Olmo2ForCausalLM", "Olmo3ForCausalLM"};
  spec.gguf_name = "olmo2";
  spec.tokenizer = bpe_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-5, "rope_theta": 10000.0, "max_position_embeddings": 2048})";
  spec.keys = joined<KeyRule>({standard_keys(), {computed_keys(emit_window)}});
  spec.tensors = joined<TensorRule>({
      trunk(),
      projections(),
      query_key_norms(),
      gated_mlp(),
      {
          {"model.layers.{L}.post_attention_layernorm.{W}", "blk.{L}.post_attention_norm.{W}"},
          {"model.layers.{L}.post_feedforward_layernorm.{W}", "blk.{L}.post_ffw_norm.{W}"},
      },
  });
  return spec;
}

}  // namespace qtz::arch
