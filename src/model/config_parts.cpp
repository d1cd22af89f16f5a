#include "model/config_parts.h"

#include <algorithm>

#include "model/name_pattern.h"

namespace qtz {

namespace {

/// Whether one of `fields` is there and true.
bool is_set(const ModelConfig& config, std::string_view fields) {
  return config.boolean(fields).value_or(false);
}

bool has_attention_bias(const ModelConfig& config, std::uint64_t) {
  return is_set(config, "attention_bias|qkv_bias|use_qkv_bias|use_bias|bias");
}

bool has_attention_output_bias(const ModelConfig& config, std::uint64_t) {
  return is_set(config, "attention_out_bias|attention_bias|use_bias|bias");
}

bool has_mlp_bias(const ModelConfig& config, std::uint64_t) {
  return is_set(config, "mlp_bias|use_mlp_bias|use_bias|bias");
}

bool is_tied(const ModelConfig& config) {
  return config.boolean("tie_word_embeddings|weight_tying").value_or(true);
}

bool is_prediction_layer(const ModelConfig& config, std::uint64_t layer) {
  return layer >= first_prediction_layer(config);
}

bool has_mixer_bias(const ModelConfig& config, std::uint64_t) {
  return is_set(config, "mamba_proj_bias|use_bias");
}

bool has_per_layer_input(const ModelConfig& config, std::uint64_t) {
  return config.uint("hidden_size_per_layer_input").value_or(0) > 0;
}

/// Layers of prediction attend, like the last ones of a list do.
bool attends(const ModelConfig& config, std::uint64_t layer) {
  if (layer >= first_prediction_layer(config)) return true;
  const std::string type = layer_type(config, layer);
  if (!type.empty()) return type == "full_attention" || type == "attention";
  const std::uint64_t every = config.uint("full_attention_interval").value_or(4);
  return every > 0 && (layer + 1) % every == 0;
}

bool has_shared_experts(const ModelConfig& config, std::uint64_t layer) {
  const auto count = config.uint("n_shared_experts|num_shared_experts|moe_num_shared_experts");
  return layer_has_experts(config, layer) && count.value_or(0) > 0;
}

constexpr std::string_view kExpertCount = "num_local_experts|num_experts|n_routed_experts|moe_num_experts";

const std::vector<PartRule>& common_parts() {
  static const std::vector<PartRule> rules = {
      {"output.weight", [](const ModelConfig& config, std::uint64_t) { return !is_tied(config); }},
      {"output.bias", never},
      {"rope_freqs.weight", never},  // computed, never taken from the weights
      {"per_layer_*", has_per_layer_input},

      {"ffn:dense",
       [](const ModelConfig& config, std::uint64_t layer) { return !layer_has_experts(config, layer); }},
      {"ffn:experts", layer_has_experts},
      {"ffn:fused", layer_has_experts},
      {"query:low_rank", [](const ModelConfig& config, std::uint64_t) { return config.has("q_lora_rank"); }},
      {"query:whole", [](const ModelConfig& config, std::uint64_t) { return !config.has("q_lora_rank"); }},
      {"attn:split", always},
      {"attn:fused", never},
      {"mixer:attention", attends},
      {"mixer:linear",
       [](const ModelConfig& config, std::uint64_t layer) { return !attends(config, layer); }},

      {"blk.{L}.attn_q.bias", has_attention_bias},
      {"blk.{L}.attn_k.bias", has_attention_bias},
      {"blk.{L}.attn_v.bias", has_attention_bias},
      {"blk.{L}.attn_qkv.bias", has_attention_bias},
      {"blk.{L}.attn_output.bias", has_attention_output_bias},
      {"blk.{L}.ffn_gate.bias", has_mlp_bias},
      {"blk.{L}.ffn_up.bias", has_mlp_bias},
      {"blk.{L}.ffn_down.bias", has_mlp_bias},
      {"blk.{L}.ffn_gate_shexp.weight", has_shared_experts},
      {"blk.{L}.ffn_up_shexp.weight", has_shared_experts},
      {"blk.{L}.ffn_down_shexp.weight", has_shared_experts},
      {"blk.{L}.exp_probs_b.bias", layer_has_experts},
      {"blk.{L}.nextn.*", is_prediction_layer},
      {"blk.{L}.layer_output_norm.weight", is_prediction_layer},
      {"blk.{L}.inp_gate.weight", has_per_layer_input},
      {"blk.{L}.proj.weight", has_per_layer_input},
      {"blk.{L}.post_norm.weight", has_per_layer_input},
      {"blk.{L}.ssm_conv1d.bias",
       [](const ModelConfig& config, std::uint64_t) {
         return config.boolean("use_conv_bias|mamba_conv_bias").value_or(true);
       }},
      {"blk.{L}.ssm_in.bias", has_mixer_bias},
      {"blk.{L}.ssm_out.bias", has_mixer_bias},
      {"blk.{L}.ssm_dt.bias", always},
      {"blk.{L}.ssm_norm.weight",
       [](const ModelConfig& config, std::uint64_t) {
         return config.boolean("mamba_rms_norm|rms_norm").value_or(true);
       }},
  };
  return rules;
}

std::optional<bool> answer(const std::vector<PartRule>& rules, const ModelConfig& config,
                           std::string_view what, std::uint64_t layer) {
  for (const PartRule& rule : rules) {
    if (rule.what == what || match_name(rule.what, what)) return rule.present(config, layer);
  }
  return std::nullopt;
}

bool names_layer(const ModelConfig& config, std::string_view field, std::uint64_t layer) {
  const std::vector<std::uint64_t> listed = config.uints(field);
  return std::find(listed.begin(), listed.end(), layer) != listed.end();
}

}  // namespace

std::uint64_t first_prediction_layer(const ModelConfig& config) {
  const std::uint64_t layers = config.block_count();
  return layers - std::min(layers, config.uint("prediction_layers|num_nextn_predict_layers").value_or(0));
}

bool layer_has_experts(const ModelConfig& config, std::uint64_t layer) {
  if (config.uint(kExpertCount).value_or(0) == 0) return false;
  if (const auto kinds = config.texts("mlp_layer_types"); layer < kinds.size())
    return kinds[layer] != "dense";
  if (config.has("moe_layers")) {
    if (names_layer(config, "moe_layers", layer)) return true;
    if (!config.uints("moe_layers").empty()) return false;
  }
  const auto leading = config.uint("first_k_dense_replace|num_dense_layers|moe_layer_start_index");
  if (layer < leading.value_or(0)) return false;
  if (const auto last = config.find("moe_layer_end_index"); last && last->value->as_uint()) {
    if (layer > *last->value->as_uint()) return false;
  }
  if (names_layer(config, "mlp_only_layers", layer)) return false;
  if (const auto every = config.uint("decoder_sparse_step|interleave_moe_layer_step|moe_layer_interval")) {
    return *every > 0 && (layer + 1) % *every == 0;
  }
  if (const auto frequency = config.find("moe_layer_freq")) {
    if (frequency->value->is_array()) {
      const std::vector<std::uint64_t> flags = config.uints("moe_layer_freq");
      return layer >= flags.size() || flags[layer] != 0;
    }
    const auto every = config.uint("moe_layer_freq").value_or(1);
    return every > 0 && layer % every == 0;
  }
  return true;
}

std::string layer_type(const ModelConfig& config, std::uint64_t layer) {
  for (const std::string_view field : {"layer_types", "layers_block_type", "block_types"}) {
    const std::vector<std::string> types = config.texts(field);
    if (layer < types.size()) return types[layer];
  }
  return {};
}

bool always(const ModelConfig&, std::uint64_t) {
  return true;
}

bool never(const ModelConfig&, std::uint64_t) {
  return false;
}

std::optional<bool> own_answer(const ArchSpec& spec, const ModelConfig& config, std::string_view what,
                               std::uint64_t layer) {
  return answer(spec.parts, config, what, layer);
}

std::optional<bool> common_answer(const ModelConfig& config, std::string_view what, std::uint64_t layer) {
  return answer(common_parts(), config, what, layer);
}

}  // namespace qtz
