// Step 3.5 and 3.7, text part: windowed layers with heads of their own number, a gate for each head, leading
// dense layers, experts stored stacked, norms stored as their difference from one; prediction layers are
// kept.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/deepseek_family.h"
#include "model/config_parts.h"
#include "model/tensor_ops.h"
#include "qtz/core/error.h"
#include "qtz/core/text.h"

namespace qtz::arch {

namespace {

/// Whether each layer slides. The list goes on past the trunk; layers it does not reach attend to everything.
std::vector<bool> sliding_layers(const ModelConfig& config) {
  std::vector<bool> out;
  for (const std::string& type : config.texts("layer_types")) out.push_back(type == "sliding_attention");
  out.resize(config.block_count(), false);
  return out;
}

/// llama.cpp turns half of a head in full-attention layers and all of it in the others.
void check_rotary_parts(const ModelConfig& config, const std::vector<bool>& slides) {
  const auto list = config.find("partial_rotary_factors");
  if (!list) return;
  if (list->value->as_array() == nullptr) config.refuse(list->name, "is not a list");
  std::size_t layer = 0;
  for (const JsonValue& part : *list->value->as_array()) {
    if (layer == slides.size()) return;
    const auto value = part.as_double();
    const double wanted = slides[layer] ? 1.0 : 0.5;
    if (!value || *value != wanted) {
      config.refuse(list->name, "has something else than " + std::string(slides[layer] ? "1" : "0.5") +
                                    " for layer " + std::to_string(layer) +
                                    ", which llama.cpp does not compute");
    }
    ++layer;
  }
}

/// "3,4,5": the first layer with experts.
std::uint64_t leading_dense_layers(const ModelConfig& config) {
  const auto field = config.find("moe_layers_enum");
  if (!field || !field->value->is_string()) return 0;
  const std::string& text = *field->value->as_string();
  std::uint64_t least = config.block_count();
  std::uint64_t number = 0;
  bool digits = false;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    const char c = i < text.size() ? text[i] : ',';
    if (c >= '0' && c <= '9' && number < 100'000) {
      number = number * 10 + static_cast<std::uint64_t>(c - '0');
      digits = true;
    } else if (c == ',' && (digits || i == text.size())) {
      if (digits) least = std::min(least, number);
      number = 0;
      digits = false;
    } else if (c != ' ') {
      config.refuse(field->name, "is not a list of layers like 3,4,5");
    }
  }
  return least == config.block_count() ? 0 : least;
}

/// Limits of SwiGLU layer by layer; 0 is none, as in the layers the list does not reach.
void emit_limits(ArchBuild& build, std::string_view field, std::string_view key) {
  const auto list = build.config.find(field);
  if (!list) return;
  if (list->value->as_array() == nullptr) build.config.refuse(field, "is not a list");
  std::vector<float> limits;
  for (const JsonValue& limit : *list->value->as_array()) {
    const auto number = limit.is_null() ? std::optional<double>(0.0) : limit.as_double();
    if (!number) build.config.refuse(field, "holds something that is not a number");
    limits.push_back(static_cast<float>(*number));
  }
  limits.resize(build.config.block_count(), 0.0F);
  build.set(key, limits);
}

void emit_keys(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const std::vector<bool> slides = sliding_layers(config);
  check_rotary_parts(config, slides);
  const std::uint64_t full_heads = config.head_count();
  const std::uint64_t full_kv = config.need_uint("num_attention_groups");
  std::uint64_t heads = full_heads;
  std::uint64_t kv = full_kv;
  if (const auto other = config.find("attention_other_setting")) {
    const ModelConfig part(*other->value, config.where() + ": '" + other->name + "'");
    heads = part.uint("num_attention_heads").value_or(heads);
    kv = part.uint("num_attention_groups").value_or(kv);
  }
  std::vector<std::int32_t> head_counts;
  std::vector<std::int32_t> kv_counts;
  for (const bool slide : slides) {
    head_counts.push_back(static_cast<std::int32_t>(slide ? heads : full_heads));
    kv_counts.push_back(static_cast<std::int32_t>(slide ? kv : full_kv));
  }
  build.set("attention.head_count", head_counts);
  build.set("attention.head_count_kv", kv_counts);
  build.set("attention.sliding_window_pattern", GgufValue::bool_array(slides));
  build.set("leading_dense_block_count", static_cast<std::uint32_t>(leading_dense_layers(config)));
  build.set("moe_every_n_layers", static_cast<std::uint32_t>(config.uint("moe_every_n_layer").value_or(1)));
  emit_limits(build, "swiglu_limits", "swiglu_clamp_exp");
  emit_limits(build, "swiglu_limits_shared", "swiglu_clamp_shexp");
}

/// The output of a prediction layer lies one level deeper in the checkpoint.
std::string rename_heads(std::string name, const ModelConfig&) {
  constexpr std::string_view kLevel = ".transformer.shared_head.";
  constexpr std::string_view kOutput = ".shared_head.output.";
  if (const auto at = name.find(kLevel); at != std::string::npos)
    name.replace(at, kLevel.size(), ".shared_head.");
  if (const auto at = name.find(kOutput); at != std::string::npos) {
    name.replace(at, kOutput.size(), ".shared_head.head.");
  }
  return name;
}

/// The rope base of each layer is one of two: that of full attention and that of the window.
void adapt(ArchSpec&, ModelConfig& config, const TensorSource&) {
  const JsonValue* list = config.rope().find("rope_theta");
  if (list == nullptr || list->as_array() == nullptr) return;
  const std::vector<std::string> types = config.texts("layer_types");
  const JsonValue* full = nullptr;
  const JsonValue* window = nullptr;
  std::size_t layer = 0;
  for (const JsonValue& base : *list->as_array()) {
    if (!base.as_double()) config.refuse("rope_theta", "is not a list of numbers");
    const bool slides = layer < types.size() && types[layer] == "sliding_attention";
    const JsonValue*& known = slides ? window : full;
    if (known != nullptr && *known->as_double() != *base.as_double()) {
      config.refuse("rope_theta", "differs between layers of one kind, at layer " + std::to_string(layer));
    }
    known = &base;
    ++layer;
  }
  if (full == nullptr) config.refuse("rope_theta", "has no value for a layer of full attention");
  const JsonValue of_full = *full;
  if (window != nullptr) config.set_rope("sliding_attention", JsonObject{{"rope_theta", *window}});
  config.set_rope("rope_theta", of_full);
}

/// Llama 3.1's rule for the half of a head that full-attention layers turn, in double precision; the rest,
/// which only windowed layers turn, stays as it is.
void add_rope_factors(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const JsonValue& rope = config.main_rope();
  if (ascii_lower(config.rope_type(rope)) != "llama3") return;
  const auto setting = [&](std::string_view field, double otherwise) {
    const double value = config.rope_number(rope, field).value_or(otherwise);
    if (!(value > 0)) config.refuse("rope_scaling." + std::string(field), "is not positive");
    return value;
  };
  const double base = setting("rope_theta", 10000.0);
  const double factor = setting("factor", 8.0);
  const double low = setting("low_freq_factor", 1.0);
  const double high = setting("high_freq_factor", 4.0);
  const double context = setting("original_max_position_embeddings", 8192.0);
  const std::uint64_t turned = config.head_dim() / 2;
  std::vector<float> factors;
  for (std::uint64_t i = 0; i < turned; i += 2) {
    const float exponent = static_cast<float>(i) / static_cast<float>(turned);
    const float frequency = 1.0F / static_cast<float>(std::pow(base, static_cast<double>(exponent)));
    const double wavelength = 2 * std::numbers::pi / static_cast<double>(frequency);
    if (wavelength < context / high) {
      factors.push_back(1);
    } else if (wavelength > context / low) {
      factors.push_back(static_cast<float>(factor));
    } else {
      const double smooth = (context / wavelength - low) / (high - low);
      factors.push_back(static_cast<float>(1.0 / ((1.0 - smooth) / factor + smooth)));
    }
  }
  factors.resize(config.head_dim() / 2, 1.0F);
  const std::uint64_t count = factors.size();
  build.tensors.emplace_back("rope_freqs.weight", constant(Shape{count}, std::move(factors)));
}

bool has_experts(const ModelConfig& config, std::uint64_t layer) {
  return layer >= leading_dense_layers(config) && layer < first_prediction_layer(config);
}

bool is_dense(const ModelConfig& config, std::uint64_t layer) {
  return !has_experts(config, layer);
}

}  // namespace

ArchSpec step3_5() {
  ArchSpec spec;
  spec.classes = {"Step3p5ForCausalLM", "Step3p7ForConditionalGeneration"};
  spec.gguf_name = "step35";
  spec.tokenizer = bpe_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-5})";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      {
          computed_keys(emit_keys),
          u32_key("attention.sliding_window", "sliding_window"),
          u32_key("expert_count", "moe_num_experts"),
          u32_key("expert_used_count", "moe_top_k"),
          u32_key("expert_feed_forward_length", "moe_intermediate_size"),
          u32_key("expert_shared_feed_forward_length", "share_expert_dim"),
          optional_key(f32_key("expert_weights_scale", "moe_router_scaling_factor")),
          optional_key(bool_key("expert_weights_norm", "norm_expert_weight")),
          optional_key(u32_key("nextn_predict_layers", "num_nextn_predict_layers")),
      },
  });
  spec.tensors = joined<TensorRule>({
      trunk(),
      attention(),
      query_key_norms(),
      mlp_norm(),
      {{"model.layers.{L}.self_attn.g_proj.weight", "blk.{L}.attn_gate.weight", squeezed, "?"}},
      needed_as("ffn:experts",
                {
                    {"model.layers.{L}.moe.gate.weight", "blk.{L}.ffn_gate_inp.weight", squeezed},
                    {"model.layers.{L}.moe.gate_proj.weight", "blk.{L}.ffn_gate_exps.weight", squeezed},
                    {"model.layers.{L}.moe.up_proj.weight", "blk.{L}.ffn_up_exps.weight", squeezed},
                    {"model.layers.{L}.moe.down_proj.weight", "blk.{L}.ffn_down_exps.weight", squeezed},
                    {"model.layers.{L}.share_expert.gate_proj.weight", "blk.{L}.ffn_gate_shexp.weight"},
                    {"model.layers.{L}.share_expert.up_proj.weight", "blk.{L}.ffn_up_shexp.weight"},
                    {"model.layers.{L}.share_expert.down_proj.weight", "blk.{L}.ffn_down_shexp.weight"},
                }),
      {{"model.layers.{L}.moe.router_bias", "blk.{L}.exp_probs_b.bias", nullptr, "?"}},
      gated_mlp(),
      prediction_layer(),
  });
  for (TensorRule& rule : spec.tensors) {
    if (rule.target.find("norm.") != std::string_view::npos) rule.transform = plus_one;
  }
  spec.parts = {
      {"ffn:experts", has_experts},
      {"ffn:dense", is_dense},
      {"blk.{L}.attn_gate.weight", always},
      {"blk.{L}.exp_probs_b.bias", has_experts},
      {"blk.{L}.nextn.embed_tokens.weight", never},
  };
  spec.prediction = {.keep = true, .drop = true, .only = true};
  spec.adapt = adapt;
  spec.prepare = count_prediction_layers;
  spec.rename = rename_heads;
  spec.finish = add_rope_factors;
  return spec;
}

}  // namespace qtz::arch
