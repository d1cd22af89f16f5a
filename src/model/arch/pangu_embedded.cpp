// openPangu Embedded: Llama's build with biases, rows as they are.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/config_parts.h"

namespace qtz::arch {

namespace {

void emit_head_size(ArchBuild& build) {
  const auto size = static_cast<std::uint32_t>(build.config.head_dim());
  build.set("attention.key_length", size);
  build.set("attention.value_length", size);
}

/// A stored output that only repeats the embedding is left out.
void adapt(ArchSpec& spec, ModelConfig& config, const TensorSource&) {
  if (!config.boolean("tie_word_embeddings").value_or(false)) return;
  spec.skips = {{"lm_head.weight", "the output is the embedding"}};
}

}  // namespace

ArchSpec pangu_embedded() {
  ArchSpec spec;
  spec.classes = {"PanguEmbeddedForCausalLM"};
  spec.gguf_name = "pangu-embedded";
  spec.tokenizer = sentencepiece_tokenizer();
  spec.tokenizer.prefix_space = TokenizerPolicy::PrefixSpace::last;
  spec.defaults = R"({"rms_norm_eps": 1e-5, "rope_theta": 16000000.0, "max_position_embeddings": 32768})";
  spec.keys = joined<KeyRule>({standard_keys(), vocabulary_and_rope_size(), {computed_keys(emit_head_size)}});
  spec.tensors = joined<TensorRule>({trunk(), attention(), mlp_norm(), gated_mlp()});
  // "bias" is that of attention alone.
  spec.parts = {
      {"blk.{L}.ffn_gate.bias", never}, {"blk.{L}.ffn_up.bias", never}, {"blk.{L}.ffn_down.bias", never}};
  spec.adapt = adapt;
  spec.prepare = fill_in_kv_heads;
  return spec;
}

}  // namespace qtz::arch
