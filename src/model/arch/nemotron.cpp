// Nemotron and Minitron: layer norms stored as their difference from one, squared ReLU without a gate, rotary
// on a part of each head.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/config_parts.h"

namespace qtz::arch {

namespace {

void emit_rope(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const double part = config.rope_number(config.main_rope(), "partial_rotary_factor").value_or(0.5);
  const auto rotated = static_cast<std::uint64_t>(part * static_cast<double>(config.hidden_size()));
  build.set("rope.dimension_count", static_cast<std::uint32_t>(rotated / config.head_count()));
  auto factor = config.number("factor");
  if (!factor) factor = config.rope_number(config.main_rope(), "factor");
  build.set("rope.scaling.type", factor ? "linear" : "none");
  if (factor) build.set("rope.scaling.factor", static_cast<float>(*factor));
}

}  // namespace

ArchSpec nemotron() {
  ArchSpec spec;
  spec.classes = {"NemotronForCausalLM"};
  spec.gguf_name = "nemotron";
  spec.tokenizer = nemotron_tokenizer();
  spec.defaults = R"({"norm_eps": 1e-5, "rope_theta": 10000.0, "max_position_embeddings": 4096})";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      {
          u32_key("vocab_size", "vocab_size"),
          f32_key("attention.layer_norm_epsilon", "layer_norm_eps|layer_norm_epsilon|norm_epsilon|norm_eps"),
          computed_keys(emit_rope),
      },
  });
  spec.tensors = joined<TensorRule>({
      {
          {"model.embed_tokens.weight", "token_embd.weight"},
          {"lm_head.weight", "output.weight", nullptr, "?"},
          {"model.norm.weight", "output_norm.weight", plus_one},
          {"model.norm.bias", "output_norm.bias"},
          {"model.layers.{L}.input_layernorm.weight", "blk.{L}.attn_norm.weight", plus_one},
          {"model.layers.{L}.input_layernorm.bias", "blk.{L}.attn_norm.bias"},
          {"model.layers.{L}.post_attention_layernorm.weight", "blk.{L}.ffn_norm.weight", plus_one},
          {"model.layers.{L}.post_attention_layernorm.bias", "blk.{L}.ffn_norm.bias"},
      },
      ungated_mlp(),
      projections(),
  });
  spec.parts = {{"*norm.bias", always}};
  return spec;
}

}  // namespace qtz::arch
