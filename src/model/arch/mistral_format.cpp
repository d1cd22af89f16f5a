// Mistral's own format (params.json): Llama's build under the names of the authors' program, with the rows of
// q and k in llama.cpp's order already. Those with an attention temperature are another architecture.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/mistral_params.h"

namespace qtz::arch {

namespace {

float number_in(const ArchBuild& build, const JsonValue& object, std::string_view part,
                std::string_view key) {
  const JsonValue* value = object.find(key);
  const auto number = value != nullptr ? value->as_double() : std::nullopt;
  if (!number) build.config.refuse(std::string(part) + "." + std::string(key), "is missing or no number");
  return static_cast<float>(*number);
}

void emit_yarn(ArchBuild& build) {
  const auto yarn = build.config.find("yarn");
  if (!yarn) return;
  const auto number = [&](std::string_view key) { return number_in(build, *yarn->value, "yarn", key); };
  const JsonValue* scaled = yarn->value->find("apply_scale");
  const JsonValue* context = yarn->value->find("original_max_position_embeddings");
  const auto original = context != nullptr ? context->as_uint() : std::nullopt;
  if (!original || *original > UINT32_MAX)
    build.config.refuse("yarn.original_max_position_embeddings", "is missing or no count");
  if (scaled == nullptr || !scaled->as_bool())
    build.config.refuse("yarn.apply_scale", "is not true or false");
  build.set("rope.scaling.type", "yarn");
  build.set("rope.scaling.factor", number("factor"));
  build.set("rope.scaling.yarn_beta_fast", number("beta"));
  build.set("rope.scaling.yarn_beta_slow", number("alpha"));
  build.set("rope.scaling.yarn_log_multiplier", *scaled->as_bool() ? 0.0F : 1.0F);
  build.set("rope.scaling.original_context_length", static_cast<std::uint32_t>(*original));
}

void emit_temperature(ArchBuild& build) {
  const auto scaling = build.config.find("llama_4_scaling");
  if (scaling)
    build.set("attention.temperature_scale", number_in(build, *scaling->value, "llama_4_scaling", "beta"));
}

void choose_name(ArchSpec& spec, ModelConfig& config, const TensorSource&) {
  if (config.has("moe")) config.refuse("moe", "is there: experts in Mistral's own format are not known");
  if (config.has("llama_4_scaling")) spec.gguf_name = "mistral3";
}

}  // namespace

ArchSpec mistral_format() {
  ArchSpec spec;
  spec.classes = {kMistralFormatClass};
  spec.gguf_name = "llama";
  spec.tokenizer = llama_tokenizer();
  spec.defaults = R"({"norm_eps": 1e-5, "rope_theta": 10000.0})";
  spec.optional_prefix = "";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      {
          u32_key("context_length", "max_position_embeddings|max_seq_len"),
          computed_keys([](ArchBuild& build) {
            build.set("rope.dimension_count", static_cast<std::uint32_t>(build.config.head_dim()));
          }),
          u32_key("vocab_size", "vocab_size"),
          computed_keys(emit_yarn),
          computed_keys(emit_temperature),
      },
  });
  spec.tensors = {
      {"tok_embeddings.weight", "token_embd.weight"},
      {"norm.weight", "output_norm.weight"},
      {"output.weight", "output.weight", nullptr, "?"},
      {"layers.{L}.attention_norm.weight", "blk.{L}.attn_norm.weight"},
      {"layers.{L}.attention.wq.weight", "blk.{L}.attn_q.weight"},
      {"layers.{L}.attention.wk.weight", "blk.{L}.attn_k.weight"},
      {"layers.{L}.attention.wv.weight", "blk.{L}.attn_v.weight"},
      {"layers.{L}.attention.wo.weight", "blk.{L}.attn_output.weight"},
      {"layers.{L}.ffn_norm.weight", "blk.{L}.ffn_norm.weight"},
      {"layers.{L}.feed_forward.w1.weight", "blk.{L}.ffn_gate.weight"},
      {"layers.{L}.feed_forward.w2.weight", "blk.{L}.ffn_down.weight"},
      {"layers.{L}.feed_forward.w3.weight", "blk.{L}.ffn_up.weight"},
  };
  constexpr std::string_view kVision = "belongs to the vision part; this GGUF holds the language model";
  for (const char* part :
       {"vision_encoder.*", "vision_language_adapter.*", "patch_merger.*", "pre_mm_projector_norm.*"}) {
    spec.skips.push_back({part, kVision});
  }
  spec.adapt = choose_name;
  spec.parts = {{"output.weight", [](const ModelConfig& config, std::uint64_t) {
                   return !config.boolean("tied_embeddings").value_or(false);
                 }}};
  return spec;
}

}  // namespace qtz::arch
