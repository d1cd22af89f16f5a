// OpenELM: heads and feed-forward sizes that grow from layer to layer, q, k and v fused, gate and up fused;
// the embedding is the output.
#include <algorithm>

#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "qtz/core/error.h"

namespace qtz::arch {

namespace {

constexpr std::uint64_t kLargest = std::uint64_t{1} << 31;

/// One number for each layer, as llama.cpp stores such lists.
std::vector<std::int32_t> per_layer(const ModelConfig& config, std::string_view field) {
  const std::vector<std::uint64_t> stored = config.uints(field);
  if (stored.size() != config.block_count()) {
    config.refuse(field, "has " + std::to_string(stored.size()) + " entries for " +
                             std::to_string(config.block_count()) + " layers");
  }
  std::vector<std::int32_t> out;
  for (const std::uint64_t value : stored) {
    if (value == 0) config.refuse(field, "has a 0");
    out.push_back(static_cast<std::int32_t>(value));
  }
  return out;
}

/// The multiple of `divisor` nearest to `size`, but not less than nine tenths of it: the rule of the model's
/// own configuration class.
std::uint64_t rounded_size(double size, std::uint64_t divisor) {
  const auto step = static_cast<double>(divisor);
  const auto nearest = static_cast<std::uint64_t>(size + step / 2) / divisor * divisor;
  const std::uint64_t rounded = std::max(divisor, nearest);
  return static_cast<double>(rounded) < 0.9 * size ? rounded + divisor : rounded;
}

std::vector<std::int32_t> feed_forward_sizes(const ModelConfig& config) {
  const auto multipliers = config.find("ffn_multipliers");
  const JsonArray* list = multipliers ? multipliers->value->as_array() : nullptr;
  if (list == nullptr || list->size() != config.block_count()) {
    config.refuse("ffn_multipliers", "is not a list of " + std::to_string(config.block_count()) +
                                         " numbers, one for each layer");
  }
  const std::uint64_t divisor = config.need_uint("ffn_dim_divisor");
  if (divisor == 0) config.refuse("ffn_dim_divisor", "is 0");
  std::vector<std::int32_t> out;
  for (const JsonValue& each : *list) {
    const double size = each.as_double().value_or(0) * static_cast<double>(config.need_uint("model_dim"));
    if (!(size > 0) || size + static_cast<double>(divisor) * 2 >= static_cast<double>(kLargest)) {
      config.refuse("ffn_multipliers", "holds " + printable(to_json(each, -1)));
    }
    out.push_back(static_cast<std::int32_t>(rounded_size(size, divisor)));
  }
  return out;
}

void emit_keys(ArchBuild& build) {
  const ModelConfig& config = build.config;
  build.set("feed_forward_length", feed_forward_sizes(config));
  build.set("attention.head_count", per_layer(config, "num_query_heads"));
  build.set("attention.head_count_kv", per_layer(config, "num_kv_heads"));
  build.set("attention.layer_norm_rms_epsilon", 1e-6F);  // the model's code has it so
}

}  // namespace

ArchSpec openelm() {
  ArchSpec spec;
  spec.classes = {"OpenELMForCausalLM"};
  spec.gguf_name = "openelm";
  spec.tokenizer = sentencepiece_tokenizer();
  spec.optional_prefix = "transformer.";
  spec.defaults = R"({"rope_freq_constant": 10000, "max_context_length": 2048, "head_dim": 128})";
  spec.keys = {
      u32_key("block_count", "num_transformer_layers"), u32_key("context_length", "max_context_length"),
      u32_key("embedding_length", "model_dim"),         computed_keys(emit_keys),
      f32_key("rope.freq_base", "rope_freq_constant"),  u32_key("rope.dimension_count", "head_dim"),
      u32_key("attention.key_length", "head_dim"),      u32_key("attention.value_length", "head_dim"),
  };
  spec.tensors = {
      {"transformer.token_embeddings.weight", "token_embd.weight"},
      {"transformer.norm.weight", "output_norm.weight"},
      {"transformer.layers.{L}.attn_norm.weight", "blk.{L}.attn_norm.weight"},
      {"transformer.layers.{L}.attn.qkv_proj.weight", "blk.{L}.attn_qkv.weight"},
      {"transformer.layers.{L}.attn.q_norm.weight", "blk.{L}.attn_q_norm.weight"},
      {"transformer.layers.{L}.attn.k_norm.weight", "blk.{L}.attn_k_norm.weight"},
      {"transformer.layers.{L}.attn.out_proj.weight", "blk.{L}.attn_output.weight"},
      {"transformer.layers.{L}.ffn_norm.weight", "blk.{L}.ffn_norm.weight"},
      {"transformer.layers.{L}.ffn.proj_1.weight", "blk.{L}.ffn_gate.weight", first_half},
      {"transformer.layers.{L}.ffn.proj_1.weight", "blk.{L}.ffn_up.weight", second_half},
      {"transformer.layers.{L}.ffn.proj_2.weight", "blk.{L}.ffn_down.weight"},
  };
  spec.prepare = [](ModelConfig& config) {
    config.set("num_hidden_layers", config.need_uint("num_transformer_layers"));
    config.set("hidden_size", config.need_uint("model_dim"));
  };
  return spec;
}

}  // namespace qtz::arch
