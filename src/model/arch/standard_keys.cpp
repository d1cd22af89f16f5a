// The keys that follow from a configuration the same way for almost every architecture, and rope.
#include <cmath>
#include <numbers>

#include "model/arch/arch_blocks.h"
#include "model/folder_file.h"
#include "model/tensor_ops.h"
#include "qtz/core/error.h"
#include "qtz/core/text.h"

namespace qtz::arch {

namespace {

void set_f32(ArchBuild& build, std::string_view key, std::optional<double> value) {
  if (value) build.set(key, static_cast<float>(*value));
}

/// A field of the rope settings that is a count.
std::uint32_t rope_uint(const ArchBuild& build, const JsonValue& rope, std::string_view field) {
  const JsonValue* value = rope.find(field);
  const auto number = value == nullptr ? std::nullopt : value->as_uint();
  if (!number || *number >= (std::uint64_t{1} << 31)) {
    build.config.refuse("rope_parameters." + std::string(field), "is missing or not a whole number");
  }
  return static_cast<std::uint32_t>(*number);
}

void emit_yarn(ArchBuild& build, const JsonValue& rope, double factor) {
  const ModelConfig& config = build.config;
  build.set("rope.scaling.type", "yarn");
  set_f32(build, "rope.scaling.factor", factor);
  build.set("rope.scaling.original_context_length",
            rope_uint(build, rope, "original_max_position_embeddings"));
  set_f32(build, "rope.scaling.yarn_ext_factor", config.rope_number(rope, "extrapolation_factor"));
  auto attention = config.rope_number(rope, "attention_factor");
  if (!attention) attention = config.rope_number(rope, "attn_factor");
  set_f32(build, "rope.scaling.yarn_attn_factor", attention);
  set_f32(build, "rope.scaling.yarn_beta_fast", config.rope_number(rope, "beta_fast"));
  set_f32(build, "rope.scaling.yarn_beta_slow", config.rope_number(rope, "beta_slow"));
}

void emit_rope(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const JsonValue& rope = config.main_rope();
  const std::string type = ascii_lower(config.rope_type(rope));
  const auto factor = config.rope_number(rope, "factor");
  if (type == "linear" && factor) {
    build.set("rope.scaling.type", "linear");
    set_f32(build, "rope.scaling.factor", factor);
  } else if (type == "yarn" && factor) {
    emit_yarn(build, rope, *factor);
  } else if ((type == "linear" || type == "yarn") && !config.has("factor")) {
    // Without scaling the model would be another one beyond its first context.
    config.refuse("rope_parameters.factor", "is missing, but the rope type is '" + type + "'");
  } else if (type == "su" || type == "longrope") {
    build.set("rope.scaling.type", "longrope");
  } else if (!type.empty() && type != "linear" && type != "yarn" && type != "default" && type != "none" &&
             type != "llama3" && type != "mrope" && type != "dynamic" && type != "proportional") {
    build.warnings.push_back(config.where() + ": unknown rope type '" + printable(type) +
                             "': no rope scaling is written");
  }
  if (const JsonValue* sections = config.rope().find("mrope_section"); sections != nullptr) {
    std::vector<std::int32_t> values;
    if (sections->as_array() == nullptr) config.refuse("rope_parameters.mrope_section", "is not a list");
    for (const JsonValue& section : *sections->as_array()) {
      const auto value = section.as_uint();
      if (!value || *value > 65536) config.refuse("rope_parameters.mrope_section", "is not a list of sizes");
      values.push_back(static_cast<std::int32_t>(*value));
    }
    values.resize(4, 0);  // time, height, width, extra
    build.set("rope.dimension_sections", values);
  }
  set_f32(build, "rope.freq_base", config.rope_number(rope, "rope_theta"));
  if (const JsonValue* sliding = config.rope().find("sliding_attention"); sliding != nullptr) {
    set_f32(build, "rope.freq_base_swa", config.rope_number(*sliding, "rope_theta"));
  }
}

void emit_gating(ArchBuild& build) {
  const auto name = build.config.text(
      "score_function|scoring_func|score_func|moe_router_activation|moe_router_activation_func|"
      "expert_selection_fn");
  if (!name) return;
  const std::uint32_t value = *name == "softmax"        ? 1U
                              : *name == "sigmoid"      ? 2U
                              : *name == "sqrtsoftplus" ? 4U
                                                        : 0U;
  if (value == 0) build.config.refuse("scoring_func", "is '" + printable(*name) + "', which is unknown");
  build.set("expert_gating_func", value);
}

void emit_causal(ArchBuild& build) {
  if (!build.config.boolean("is_causal").value_or(true)) build.set("attention.causal", false);
}

void emit_pooling(ArchBuild& build) {
  const auto modules_path = build.folder / "modules.json";
  if (!has_file(modules_path)) return;
  const JsonValue modules = read_folder_json(modules_path, JsonLimits{});
  if (modules.as_array() == nullptr) return;
  for (const JsonValue& module : *modules.as_array()) {
    const JsonValue* type = module.find("type");
    const JsonValue* path = module.find("path");
    if (type == nullptr || !type->is_string() || !type->as_string()->ends_with("Pooling")) continue;
    if (path == nullptr || !path->is_string() || path->as_string()->find("..") != std::string::npos) continue;
    const auto config_path = build.folder / *path->as_string() / "config.json";
    const JsonValue pooling = read_folder_json(config_path, JsonLimits{});
    const auto is_set = [&](std::string_view field) {
      const JsonValue* value = pooling.find(field);
      return value != nullptr && value->as_bool().value_or(false);
    };
    const JsonValue* mode = pooling.find("pooling_mode");
    const std::string named = mode != nullptr && mode->is_string() ? *mode->as_string() : std::string();
    if (is_set("pooling_mode_mean_tokens") || named == "mean")
      return build.set("pooling_type", std::uint32_t{1});
    if (is_set("pooling_mode_cls_token") || named == "cls")
      return build.set("pooling_type", std::uint32_t{2});
    if (is_set("pooling_mode_lasttoken") || named == "lasttoken") {
      return build.set("pooling_type", std::uint32_t{3});
    }
    throw Error(ErrorKind::input_invalid,
                config_path.string() + ": pooling is neither mean nor cls nor last token",
                "only these three can be written");
  }
}

/// The configuration is what the model was trained with; factors beside the weights repeat it.
void replace_stored_factors(ArchBuild& build) {
  const TensorExprPtr given = build.find_tensor("rope_freqs.weight");
  if (given == nullptr) return;
  std::vector<const TensorInfo*> inputs;
  given->collect_inputs(inputs);
  for (const TensorInfo* input : inputs) {
    build.skipped.push_back(input->name + ": computed from the rope settings of the configuration");
  }
  std::erase_if(build.tensors, [](const auto& tensor) { return tensor.first == "rope_freqs.weight"; });
}

}  // namespace

std::vector<KeyRule> standard_keys() {
  return {
      u32_key("block_count", "num_hidden_layers|n_layers|n_layer|num_layers"),
      optional_key(u32_key("context_length",
                           "max_position_embeddings|n_ctx|n_positions|max_length|"
                           "max_sequence_length|model_max_length")),
      optional_key(u32_key("embedding_length", "hidden_size|n_embd|dim")),
      optional_key(u32_key("feed_forward_length",
                           "prefix_dense_intermediate_size|dense_intermediate_size|"
                           "intermediate_size|n_inner|hidden_dim")),
      optional_key(u32_key("attention.head_count", "num_attention_heads|n_head|n_heads")),
      optional_key(u32_key("attention.head_count_kv", "num_key_value_heads|n_kv_heads")),
      computed_keys(emit_causal),
      rope_keys(),
      optional_key(f32_key("attention.layer_norm_rms_epsilon", "rms_norm_eps|norm_eps")),
      optional_key(f32_key("attention.layer_norm_epsilon", "layer_norm_eps|layer_norm_epsilon|norm_epsilon")),
      optional_key(u32_key("expert_count", "num_local_experts|num_experts|n_routed_experts")),
      optional_key(u32_key("expert_used_count", "num_experts_per_tok|num_experts_per_token|top_k_experts")),
      optional_key(u32_key("expert_group_count", "n_group")),
      optional_key(u32_key("expert_group_used_count", "topk_group")),
      computed_keys(emit_gating),
      optional_key(u32_key("attention.key_length", "head_dim")),
      optional_key(u32_key("attention.value_length", "head_dim")),
  };
}

KeyRule rope_keys() {
  return computed_keys(emit_rope);
}

KeyRule pooling_key() {
  return computed_keys(emit_pooling);
}

std::vector<KeyRule> vocabulary_and_rope_size() {
  return {
      u32_key("vocab_size", "vocab_size"),
      computed_keys([](ArchBuild& build) {
        build.set("rope.dimension_count", static_cast<std::uint32_t>(build.config.head_dim()));
      }),
  };
}

bool add_long_rope_factors(ArchBuild& build, std::uint64_t rope_dims) {
  const ModelConfig& config = build.config;
  const auto add = [&](const char* field, const char* name) {
    const JsonValue* list = config.rope().find(field);
    if (list == nullptr || list->is_null()) return false;
    std::vector<float> factors;
    if (list->as_array() == nullptr) config.refuse("rope_parameters." + std::string(field), "is not a list");
    for (const JsonValue& value : *list->as_array()) {
      const auto number = value.as_double();
      if (!number) config.refuse("rope_parameters." + std::string(field), "is not a list of numbers");
      factors.push_back(static_cast<float>(*number));
    }
    if (factors.empty()) return false;
    if (factors.size() * 2 != rope_dims) {
      config.refuse("rope_parameters." + std::string(field),
                    "has " + std::to_string(factors.size()) + " values, but " +
                        std::to_string(rope_dims / 2) + " are needed");
    }
    const std::uint64_t count = factors.size();
    build.tensors.emplace_back(name, constant(Shape{count}, std::move(factors)));
    return true;
  };
  const bool has_long = add("long_factor", "rope_factors_long.weight");
  const bool has_short = add("short_factor", "rope_factors_short.weight");
  if (has_long != has_short) {
    config.refuse(has_long ? "rope_parameters.short_factor" : "rope_parameters.long_factor", "is missing");
  }
  return has_long;
}

void add_llama3_rope_factors(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const JsonValue& rope = config.main_rope();
  if (ascii_lower(config.rope_type(rope)) != "llama3") return;
  const double base = config.rope_number(rope, "rope_theta").value_or(10000.0);
  const double factor = config.rope_number(rope, "factor").value_or(8.0);
  const double low = config.rope_number(rope, "low_freq_factor").value_or(1.0);
  const double high = config.rope_number(rope, "high_freq_factor").value_or(4.0);
  const double context = config.rope_number(rope, "original_max_position_embeddings").value_or(8192.0);
  if (!(base > 0) || !(factor > 0) || !(low > 0) || !(high > 0) || !(context > 0)) {
    config.refuse("rope_parameters", "has a value that is not positive");
  }
  // Llama 3.1's rule: short wavelengths stay, long ones are stretched by `factor`, between them it blends. In
  // single precision and with the reciprocals of the program that made the published files: it divides a
  // number by a tensor by multiplying with the tensor's reciprocal.
  const auto single = [](double value) { return static_cast<float>(value); };
  const std::uint64_t dim = config.head_dim();
  std::vector<float> factors;
  for (std::uint64_t i = 0; i < dim; i += 2) {
    const float exponent = static_cast<float>(i) / static_cast<float>(dim);
    const float frequency = 1.0F / single(std::pow(base, static_cast<double>(exponent)));
    const float wavelength = 1.0F / frequency * single(2 * std::numbers::pi);
    if (wavelength < single(context / high)) {
      factors.push_back(1);
    } else if (wavelength > single(context / low)) {
      factors.push_back(single(factor));
    } else {
      const float smooth = (1.0F / wavelength * single(context) - single(low)) / single(high - low);
      factors.push_back(1.0F / ((1.0F - smooth) / single(factor) + smooth));
    }
  }
  const std::uint64_t count = factors.size();
  replace_stored_factors(build);
  build.tensors.emplace_back("rope_freqs.weight", constant(Shape{count}, std::move(factors)));
}

}  // namespace qtz::arch
