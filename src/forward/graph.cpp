#include "forward/graph.h"

#include <algorithm>
#include <cmath>

#include "forward/graph_keys.h"
#include "forward/graph_rows.h"
#include "qtz/core/error.h"
#include "qtz/forward/decoder.h"

namespace qtz {

namespace {

const GraphRow& find_row(std::string_view arch) {
  const std::span<const GraphRow> rows = graph_rows();
  const auto found =
      std::find_if(rows.begin(), rows.end(), [&](const GraphRow& row) { return row.arch == arch; });
  if (found != rows.end()) return *found;
  std::string known;
  for (const std::string_view name : runnable_architectures()) {
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  throw Error(ErrorKind::input_invalid,
              "the forward pass does not know the architecture '" + std::string(arch) + "'",
              "it runs these: " + known);
}

Rope make_rope(const GraphRow& row, const Keys& keys, std::uint64_t dims) {
  Rope rope{.kind = row.rope, .dims = dims, .base = keys.number_or("rope.freq_base", 10000.0)};
  rope.magnitude = keys.number_or("rope.scaling.attn_factor", 1.0);
  const std::string scaling = keys.text("rope.scaling.type");
  const double factor = keys.number_or("rope.scaling.factor", 1.0);
  rope.original_context = keys.number_or("rope.scaling.original_context_length", 0.0);
  if (scaling == "linear") rope.linear_factor = factor;
  if (scaling == "yarn") {
    rope.yarn_factor = factor;
    rope.beta_fast = keys.number_or("rope.scaling.yarn_beta_fast", 32.0);
    rope.beta_slow = keys.number_or("rope.scaling.yarn_beta_slow", 1.0);
    // With a multiplier of its own the magnitude is part of the attention's scale instead.
    if (keys.find("rope.scaling.yarn_log_multiplier") == nullptr)
      rope.magnitude *= 1.0 + 0.1 * std::log(factor);
  }
  return rope;
}

LayerGraph make_layer(const GraphRow& row, const Keys& keys, const Graph& graph, std::uint64_t index) {
  LayerGraph layer;
  layer.heads = keys.count("attention.head_count", index);
  layer.kv_heads = keys.count_or("attention.head_count_kv", layer.heads, index);
  layer.expert_limit = keys.number("swiglu_clamp_exp", index).value_or(0.0);
  layer.mlp_limit = keys.number("swiglu_clamp_shexp", index).value_or(0.0);
  if (layer.heads == 0 || layer.kv_heads == 0) return layer;
  if (layer.heads % layer.kv_heads != 0) {
    throw Error(ErrorKind::input_invalid, "layer " + std::to_string(index) + " has " +
                                              std::to_string(layer.heads) + " heads and " +
                                              std::to_string(layer.kv_heads) +
                                              " of keys and values, which the forward pass cannot pair");
  }
  const bool latent = graph.latent_rank > 0;
  const std::uint64_t even = graph.width / layer.heads;
  layer.key = latent && keys.find("attention.key_length_mla") != nullptr
                  ? keys.count("attention.key_length_mla")
                  : keys.count_or("attention.key_length", even);
  layer.value = latent && keys.find("attention.value_length_mla") != nullptr
                    ? keys.count("attention.value_length_mla")
                    : keys.count_or("attention.value_length", even);
  layer.window = keys.count_or("attention.sliding_window", 0);
  bool slides = layer.window > 0;
  if (const GgufValue* pattern = keys.find("attention.sliding_window_pattern"); pattern != nullptr) {
    const auto flag = Keys::element(*pattern, index);
    if (pattern->as_array() != nullptr) slides = slides && flag.value_or(0) != 0;
  }
  if (!slides) layer.window = 0;
  layer.rope = make_rope(row, keys, keys.count_or("rope.dimension_count", layer.key));
  if (slides) layer.rope.base = keys.number_or("rope.freq_base_swa", layer.rope.base);
  require_rope_fits(layer);
  return layer;
}

void set_routing(Graph& graph, const Keys& keys) {
  constexpr std::uint64_t kSoftmax = 1;
  constexpr std::uint64_t kSigmoid = 2;
  constexpr std::uint64_t kSoftmaxOfChosen = 3;
  graph.experts_used = keys.count_or("expert_used_count", 0);
  graph.expert_scale = keys.number_or("expert_weights_scale", 1.0);
  if (graph.expert_scale == 0.0) graph.expert_scale = 1.0;
  graph.normalized_experts = keys.flag("expert_weights_norm", true);
  graph.expert_groups = keys.count_or("expert_group_count", 0);
  graph.expert_groups_used = keys.count_or("expert_group_used_count", 0);
  switch (keys.count_or("expert_gating_func", kSoftmax)) {
    case 0:
    case kSoftmax:
      graph.routing = Routing::softmax;
      break;
    case kSigmoid:
      graph.routing = Routing::sigmoid;
      break;
    case kSoftmaxOfChosen:
      graph.routing = Routing::softmax_of_chosen;
      break;
    default:
      throw Error(ErrorKind::input_invalid, "the forward pass does not know this model's expert_gating_func");
  }
}

StateSpace make_state_space(const Keys& keys) {
  StateSpace sizes;
  if (keys.find("ssm.inner_size") == nullptr) return sizes;
  sizes.inner = keys.count("ssm.inner_size");
  sizes.state = keys.count("ssm.state_size");
  sizes.steps = keys.count("ssm.time_step_rank");
  sizes.groups = keys.count_or("ssm.group_count", 1);
  sizes.normed_steps = keys.flag("ssm.dt_b_c_rms", false);
  if (sizes.inner == 0 || sizes.state == 0 || sizes.steps == 0 || sizes.groups == 0) {
    throw Error(ErrorKind::input_invalid, "the model's state-space blocks have a size of 0");
  }
  return sizes;
}

/// Latent attention's scale takes in what YaRN stretches. The key has a tenth of the configuration's number,
/// which others have as it is.
void set_latent_attention(Graph& graph, const Keys& keys) {
  if (graph.latent_rank == 0) return;
  graph.latent_rope = keys.count("rope.dimension_count");
  const double multiplier = keys.number_or("rope.scaling.yarn_log_multiplier", 0.0);
  const double factor = keys.number_or("rope.scaling.factor", 1.0);
  const double magnitude =
      keys.text("rope.scaling.type") == "yarn" ? 1.0 + multiplier * std::log(factor) : 1.0;
  graph.attention_scale = magnitude * magnitude / std::sqrt(static_cast<double>(graph.layers.front().key));
}

}  // namespace

Graph make_graph(std::string_view arch, const KvList& all) {
  const GraphRow& row = find_row(arch);
  const Keys keys(arch, all);
  Graph graph;
  graph.arch = std::string(arch);
  graph.width = keys.count("embedding_length");
  graph.state_width = graph.width;
  graph.embedding_width = keys.count_or("embedding_length_per_layer_input", 0);
  graph.context = keys.count_or("context_length", 0);
  graph.norm = row.norm;
  graph.activation = row.activation;
  graph.epsilon = keys.number_or(
      row.norm == NormKind::rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon", 1e-5);
  graph.embedding_scale = keys.number_or("embedding_scale", 1.0);
  graph.residual_scale = keys.number_or("residual_scale", 1.0);
  graph.logit_scale = keys.number_or("logit_scale", 1.0);
  graph.logit_cap = keys.number_or("final_logit_softcapping", 0.0);
  graph.attention_scale = keys.number_or("attention.scale", 0.0);
  graph.attention_cap = keys.number_or("attn_logit_softcapping", 0.0);
  graph.clamp = keys.number_or("attention.clamp_kqv", 0.0);
  graph.attention_output_scale = keys.number_or("attention.value_scale", 1.0);
  graph.latent_rank = keys.count_or("attention.kv_lora_rank", 0);
  graph.state_space = make_state_space(keys);
  set_routing(graph, keys);
  const std::uint64_t layers = keys.count("block_count") - keys.count_or("nextn_predict_layers", 0);
  if (layers == 0 || layers > 4096 || graph.width == 0 || graph.width > (1u << 20)) {
    throw Error(ErrorKind::input_invalid, "the model has " + std::to_string(layers) + " layers of width " +
                                              std::to_string(graph.width) + ", which cannot be run");
  }
  for (std::uint64_t i = 0; i < layers; ++i) graph.layers.push_back(make_layer(row, keys, graph, i));
  set_latent_attention(graph, keys);
  row.adapt(graph, keys);
  return graph;
}

std::vector<std::string_view> runnable_architectures() {
  std::vector<std::string_view> names;
  for (const GraphRow& row : graph_rows()) names.push_back(row.arch);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace qtz
