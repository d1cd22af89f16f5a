// Phi-3 and Phi-4: q, k and v fused, gate and up fused, long and short rope factors.
#include <cmath>

#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "qtz/core/text.h"

namespace qtz::arch {

namespace {

std::uint64_t rope_size(const ModelConfig& config) {
  const double part = config.rope_number(config.rope(), "partial_rotary_factor").value_or(1.0);
  return static_cast<std::uint64_t>(part * static_cast<double>(config.hidden_size())) / config.head_count();
}

double original_context(const ModelConfig& config) {
  const auto length = config.rope_number(config.main_rope(), "original_max_position_embeddings");
  if (!length || !(*length >= 2) || *length >= 0x1p31) {
    config.refuse("original_max_position_embeddings", "is missing or absurd");
  }
  return *length;
}

void emit_rope(ArchBuild& build) {
  build.set("rope.scaling.original_context_length",
            static_cast<std::uint32_t>(original_context(build.config)));
  build.set("rope.dimension_count", static_cast<std::uint32_t>(rope_size(build.config)));
  const auto base = build.config.rope_number(build.config.main_rope(), "rope_theta");
  build.set("rope.freq_base", static_cast<float>(base.value_or(10000.0)));
  // Zero tells Phi-4 from Phi-3.
  const auto window = build.config.uint("sliding_window").value_or(0);
  build.set("attention.sliding_window", static_cast<std::uint32_t>(window));
}

/// How much attention sharpens beyond the original context: LongRoPE's or YaRN's rule.
void finish(ArchBuild& build) {
  const ModelConfig& config = build.config;
  if (!add_long_rope_factors(build, rope_size(config))) return;
  const double original = original_context(config);
  const double scale = config.need_number("n_positions|max_position_embeddings") / original;
  const std::string type = ascii_lower(config.rope_type(config.rope()));
  double factor = 1.0;
  if (type == "su" || type == "longrope") {
    if (scale > 1) factor = std::sqrt(1 + std::log(scale) / std::log(original));
  } else if (type == "yarn") {
    if (scale > 1) factor = 0.1 * std::log(scale) + 1.0;
  } else {
    config.refuse("rope_parameters.rope_type", "is '" + type + "', but there are long and short factors");
  }
  build.set("rope.scaling.attn_factor", static_cast<float>(factor));
}

}  // namespace

ArchSpec phi3() {
  ArchSpec spec;
  spec.classes = {"Phi3ForCausalLM"};
  spec.gguf_name = "phi3";
  spec.tokenizer = phi3_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-5, "original_max_position_embeddings": 4096})";
  spec.keys = {
      u32_key("context_length", "n_positions|max_position_embeddings"),
      u32_key("embedding_length", "hidden_size|n_embd"),
      u32_key("feed_forward_length", "intermediate_size"),
      u32_key("block_count", "num_hidden_layers"),
      u32_key("attention.head_count", "num_attention_heads|n_head"),
      u32_key("attention.head_count_kv", "num_key_value_heads|n_head_kv|num_attention_heads"),
      f32_key("attention.layer_norm_rms_epsilon", "rms_norm_eps"),
      computed_keys(emit_rope),
  };
  spec.tensors = joined<TensorRule>({
      trunk(),
      {
          {"model.layers.{L}.input_layernorm.{W}", "blk.{L}.attn_norm.{W}"},
          {"model.layers.{L}.self_attn.qkv_proj.{W}", "blk.{L}.attn_qkv.{W}"},
          {"model.layers.{L}.self_attn.o_proj.{W}", "blk.{L}.attn_output.{W}"},
      },
      mlp_norm(),
      fused_gated_mlp(),
  });
  spec.finish = finish;
  return spec;
}

}  // namespace qtz::arch
