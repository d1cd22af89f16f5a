// Gemma 4, text part: full-attention layers with heads of their own size, rotary on a quarter of them, values
// shared with keys in the larger models; optional experts beside the MLP and an embedding per layer.
#include <algorithm>

#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/gemma_family.h"
#include "model/config_parts.h"
#include "model/tensor_ops.h"

namespace qtz::arch {

namespace {

/// A size that only the full-attention layers have: a field of its own, or in per_layer_config.
std::optional<std::uint64_t> full_attention_size(const ModelConfig& config, std::string_view global,
                                                 std::string_view per_layer) {
  if (const auto value = config.uint(global)) return value;
  const auto layers = config.find("per_layer_config");
  if (!layers || layers->value->as_object() == nullptr) return std::nullopt;
  const std::vector<bool> full = layers_of_type(config, "full_attention");
  for (const auto& [number, settings] : *layers->value->as_object()) {
    const JsonValue* value = settings.find(per_layer);
    const auto size = value == nullptr ? std::nullopt : value->as_uint();
    for (std::size_t layer = 0; layer < full.size(); ++layer) {
      if (size && full[layer] && number == std::to_string(layer)) return size;
    }
  }
  return std::nullopt;
}

std::uint64_t full_head_dim(const ModelConfig& config) {
  const auto dim = full_attention_size(config, "global_head_dim", "head_dim");
  if (!dim || *dim % 2 != 0 || *dim == 0) config.refuse("global_head_dim", "is missing, zero or odd");
  return *dim;
}

void emit_layers(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const auto set = [&](std::string_view key, std::uint64_t value) {
    build.set(key, static_cast<std::uint32_t>(value));
  };
  const std::vector<bool> sliding = layers_of_type(config, "sliding_attention");
  const std::uint64_t shared = config.need_uint("num_kv_shared_layers");
  set("attention.shared_kv_layers", shared);
  set("embedding_length_per_layer_input", config.uint("hidden_size_per_layer_input").value_or(0));
  build.set("attention.sliding_window_pattern", GgufValue::bool_array(sliding));
  const std::uint64_t full = full_head_dim(config);
  set("attention.key_length", full);
  set("attention.value_length", full);
  set("attention.key_length_swa", config.head_dim());
  set("attention.value_length_swa", config.head_dim());
  if (const auto size = config.uint("expert_intermediate_size|moe_intermediate_size")) {
    set("expert_feed_forward_length", *size);
  }
  if (config.boolean("use_double_wide_mlp").value_or(false)) {
    // Layers that take keys and values from earlier ones have twice the MLP.
    const auto size = static_cast<std::int32_t>(config.need_uint("intermediate_size"));
    std::vector<std::int32_t> sizes;
    for (std::uint64_t layer = 0; layer < config.block_count(); ++layer) {
      sizes.push_back(layer + shared < config.block_count() ? size : 2 * size);
    }
    build.set("feed_forward_length", sizes);
  }
  const auto full_heads = full_attention_size(config, "num_global_key_value_heads", "num_key_value_heads");
  if (full_heads && config.has("num_key_value_heads")) {
    std::vector<std::int32_t> heads;
    for (const bool slides : sliding) {
      heads.push_back(static_cast<std::int32_t>(slides ? config.kv_head_count() : *full_heads));
    }
    build.set("attention.head_count_kv", heads);
  }
  const double part = config.rope_number(config.rope(), "partial_rotary_factor").value_or(1.0);
  set("rope.dimension_count", full);
  set("rope.dimension_count_swa", static_cast<std::uint64_t>(static_cast<double>(config.head_dim()) * part));
}

/// Only the first part of a full-attention head turns; the frequencies of the rest are divided to nothing.
void add_rope_factors(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const JsonValue& rope = config.main_rope();
  if (config.rope_type(rope) != "proportional")
    config.refuse("rope_parameters.rope_type", "is not 'proportional'");
  const auto part = config.rope_number(rope, "partial_rotary_factor");
  if (!part || !(*part >= 0) || !(*part <= 1))
    config.refuse("rope_parameters.partial_rotary_factor", "is not in 0..1");
  const std::uint64_t pairs = full_head_dim(config) / 2;
  const auto turning = static_cast<std::uint64_t>(static_cast<double>(full_head_dim(config)) * *part / 2);
  std::vector<float> factors(pairs, 1e30F);
  std::fill(factors.begin(), factors.begin() + static_cast<std::ptrdiff_t>(turning), 1.0F);
  build.tensors.emplace_back("rope_freqs.weight", constant(Shape{pairs}, std::move(factors)));
}

/// The last layers may take keys and values from earlier ones.
bool has_keys(const ModelConfig& config, std::uint64_t layer) {
  return layer + config.uint("num_kv_shared_layers").value_or(0) < config.block_count();
}

bool has_values(const ModelConfig& config, std::uint64_t layer) {
  const bool keys_serve =
      config.boolean("attention_k_eq_v").value_or(false) && layer_type(config, layer) == "full_attention";
  return has_keys(config, layer) && !keys_serve;
}

bool has_expert_block(const ModelConfig& config, std::uint64_t) {
  return config.boolean("enable_moe_block").value_or(false);
}

}  // namespace

ArchSpec gemma4() {
  ArchSpec spec = gemma3();
  spec.classes = {"Gemma4ForCausalLM", "Gemma4ForConditionalGeneration"};
  spec.gguf_name = "gemma4";
  spec.tokenizer = gemma4_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-6, "max_position_embeddings": 131072, "head_dim": 256,
                      "num_kv_shared_layers": 0})";
  spec.keys.push_back(computed_keys(emit_layers));
  for (TensorRule& rule : spec.tensors) {
    rule.transform = nullptr;  // norms are whole here
    // Values are keys in the full-attention layers of the larger models; layers that share have neither.
    const bool shared = rule.target == "blk.{L}.attn_v.{W}" || rule.target == "blk.{L}.attn_k.{W}" ||
                        rule.target == "blk.{L}.attn_k_norm.{W}";
    if (shared) rule.needed = "?";
  }
  spec.tensors = joined<TensorRule>({
      spec.tensors,
      per_layer_embeddings(),
      {
          {"model.layers.{L}.layer_scalar", "blk.{L}.layer_output_scale.weight", nullptr, "?"},
          {"model.layers.{L}.pre_feedforward_layernorm_2.weight", "blk.{L}.pre_ffw_norm_2.weight", nullptr,
           "?"},
          {"model.layers.{L}.post_feedforward_layernorm_1.weight", "blk.{L}.post_ffw_norm_1.weight", nullptr,
           "?"},
          {"model.layers.{L}.post_feedforward_layernorm_2.weight", "blk.{L}.post_ffw_norm_2.weight", nullptr,
           "?"},
          {"model.layers.{L}.router.proj.weight", "blk.{L}.ffn_gate_inp.weight", nullptr, "?"},
          {"model.layers.{L}.router.scale", "blk.{L}.ffn_gate_inp.scale", nullptr, "?"},
          {"model.layers.{L}.router.per_expert_scale", "blk.{L}.ffn_down_exps.scale", nullptr, "?"},
          {"model.layers.{L}.experts.gate_up_proj", "blk.{L}.ffn_gate_up_exps.weight", nullptr, "?"},
          {"model.layers.{L}.experts.down_proj", "blk.{L}.ffn_down_exps.weight", nullptr, "?"},
      },
  });
  spec.prepare = nullptr;
  spec.finish = add_rope_factors;
  spec.parts = {
      {"blk.{L}.attn_k.weight", has_keys},
      {"blk.{L}.attn_k_norm.weight", has_keys},
      {"blk.{L}.attn_v.weight", has_values},
      {"ffn:dense", always},  // experts are beside it
      {"blk.{L}.layer_output_scale.weight", always},
      {"blk.{L}.pre_ffw_norm_2.weight", has_expert_block},
      {"blk.{L}.post_ffw_norm_1.weight", has_expert_block},
      {"blk.{L}.post_ffw_norm_2.weight", has_expert_block},
      {"blk.{L}.ffn_gate_inp.*", has_expert_block},
      {"blk.{L}.ffn_gate_up_exps.weight", has_expert_block},
      {"blk.{L}.ffn_down_exps.*", has_expert_block},
  };
  return spec;
}

}  // namespace qtz::arch
