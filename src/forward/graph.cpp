#include "forward/graph.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "qtz/core/error.h"
#include "qtz/forward/decoder.h"

namespace qtz {

namespace {

/// The keys of one architecture: "block_count" for "llama.block_count".
class Keys {
 public:
  Keys(std::string_view arch, const KvList& all) : arch_(arch), all_(all) {}

  std::string_view arch() const noexcept { return arch_; }
  const KvList& all() const noexcept { return all_; }

  const GgufValue* find(std::string_view key) const { return all_.find(full(key)); }

  /// Of an array, the entry of `layer`.
  std::optional<double> number(std::string_view key, std::uint64_t layer = 0) const {
    const GgufValue* value = find(key);
    return value == nullptr ? std::nullopt : element(*value, layer);
  }

  double number_or(std::string_view key, double otherwise) const { return number(key).value_or(otherwise); }

  std::uint64_t count(std::string_view key, std::uint64_t layer = 0) const {
    const auto found = number(key, layer);
    if (!found || *found < 0 || *found > 1e9 || *found != std::floor(*found)) {
      throw Error(ErrorKind::input_invalid,
                  "the model's key '" + full(key) + "' is " + (find(key) == nullptr ? "missing" : "no count"),
                  "the forward pass needs it; convert the model again");
    }
    return static_cast<std::uint64_t>(*found);
  }

  std::uint64_t count_or(std::string_view key, std::uint64_t otherwise, std::uint64_t layer = 0) const {
    return find(key) == nullptr ? otherwise : count(key, layer);
  }

  bool flag(std::string_view key, bool otherwise) const {
    const GgufValue* value = find(key);
    return value == nullptr ? otherwise : value->as_bool().value_or(otherwise);
  }

  std::string text(std::string_view key) const {
    const GgufValue* value = find(key);
    const std::string* text = value == nullptr ? nullptr : value->as_string();
    return text == nullptr ? std::string() : *text;
  }

  static std::optional<double> element(const GgufValue& value, std::uint64_t at) {
    const GgufArray* array = value.as_array();
    if (array == nullptr) return value.as_double();
    return std::visit(
        [&](const auto& elements) -> std::optional<double> {
          using Element = typename std::decay_t<decltype(elements)>::value_type;
          if constexpr (std::is_arithmetic_v<Element>) {
            if (at < elements.size()) return static_cast<double>(elements[at]);
          }
          return std::nullopt;
        },
        array->elements);
  }

 private:
  std::string full(std::string_view key) const { return std::string(arch_) + "." + std::string(key); }

  std::string_view arch_;
  const KvList& all_;
};

using Adapt = void (*)(Graph&, const Keys&);

void require_rope_fits(const LayerGraph& layer) {
  if (layer.rope.dims <= layer.key && layer.rope.dims % 2 == 0) return;
  throw Error(ErrorKind::input_invalid, "rotary positions of " + std::to_string(layer.rope.dims) +
                                            " elements do not fit heads of " + std::to_string(layer.key));
}

void plain(Graph&, const Keys&) {}

void linear_biases(Graph& graph, const Keys& keys) {
  graph.largest_slope = keys.number_or("attention.max_alibi_bias", 8.0);
}

void unnormalized_experts(Graph& graph, const Keys& keys) {
  graph.normalized_experts = keys.flag("expert_weights_norm", false);
}

/// Files of GLM 4.7 Flash do not say how experts are weighted, and nor do those of the first DeepSeek V2.
/// Where a bias helps to choose experts, it is by sigmoids.
void deepseek2(Graph& graph, const Keys& keys) {
  unnormalized_experts(graph, keys);
  graph.biased_is_sigmoid = keys.find("expert_gating_func") == nullptr;
}

/// Layers with a window turn their heads, those that see everything, one of four from the `first`, do not.
void rope_in_windows_but(Graph& graph, std::size_t first) {
  constexpr std::size_t kPeriod = 4;
  const bool windowed = std::any_of(graph.layers.begin(), graph.layers.end(),
                                    [](const LayerGraph& layer) { return layer.window > 0; });
  if (!windowed) return;
  for (std::size_t i = first; i < graph.layers.size(); i += kPeriod) {
    graph.layers[i].window = 0;
    graph.layers[i].rope.kind = RopeKind::none;
  }
}

void rope_in_windows(Graph& graph, const Keys&) {
  rope_in_windows_but(graph, 3);
}

void scaled_embedding(Graph& graph, const Keys&) {
  // The factor is a number of the embedding's own type in the code that models are trained with.
  graph.embedding_scale = std::sqrt(static_cast<double>(graph.width));
}

void afmoe(Graph& graph, const Keys& keys) {
  scaled_embedding(graph, keys);
  rope_in_windows(graph, keys);
  if (keys.find("expert_gating_func") == nullptr) graph.routing = Routing::sigmoid;
}

/// The last layers have the keys and values of the last one before them that has a window, or none, as they
/// do.
void share_keys_and_values(Graph& graph, const Keys& keys) {
  const std::uint64_t takers = keys.count_or("attention.shared_kv_layers", 0);
  const std::size_t first = graph.layers.size() - std::min<std::size_t>(takers, graph.layers.size());
  for (std::size_t i = first; i < graph.layers.size(); ++i) {
    LayerGraph& taker = graph.layers[i];
    std::size_t last = first;
    while (last > 0 && (graph.layers[last - 1].window > 0) != (taker.window > 0)) --last;
    if (last == 0) {
      throw Error(ErrorKind::input_invalid, "layer " + std::to_string(i) +
                                                " takes keys and values from an earlier layer of its kind, "
                                                "but there is none");
    }
    LayerGraph& maker = graph.layers[last - 1];
    if (maker.shared_kv == 0) {
      maker.shared_kv = graph.state_width;
      graph.state_width += maker.kv_heads * (maker.key + maker.value);
    }
    if (taker.kv_heads != maker.kv_heads || taker.key != maker.key || taker.value != maker.value) {
      throw Error(ErrorKind::input_invalid,
                  "layer " + std::to_string(i) + " takes keys and values from layer " +
                      std::to_string(last - 1) + ", whose heads are not like its own");
    }
    taker.shared_kv = maker.shared_kv;
    taker.takes_kv = true;
  }
}

/// Layers with a window have shorter heads and plain positions.
void gemma4(Graph& graph, const Keys& keys) {
  scaled_embedding(graph, keys);
  graph.attention_scale = 1.0;
  for (LayerGraph& layer : graph.layers) {
    layer.normed_values = true;
    if (layer.window == 0) continue;
    layer.key = keys.count("attention.key_length_swa");
    layer.value = keys.count("attention.value_length_swa");
    layer.rope.dims = keys.count_or("rope.dimension_count_swa", layer.key);
    layer.rope.takes_factors = false;
    require_rope_fits(layer);
  }
  share_keys_and_values(graph, keys);
}

/// Several states side by side, of which layers compute on one; in the first layers only the largest gates
/// open.
void gemma3n(Graph& graph, const Keys& keys) {
  scaled_embedding(graph, keys);
  graph.attention_scale = 1.0;
  graph.streams = keys.count("altup.num_inputs");
  graph.active_stream = keys.count("altup.active_idx");
  constexpr std::uint64_t kMostStreams = 64;
  if (graph.streams < 2 || graph.streams > kMostStreams || graph.active_stream >= graph.streams) {
    throw Error(ErrorKind::input_invalid, "the model has " + std::to_string(graph.streams) +
                                              " states of a token and computes on number " +
                                              std::to_string(graph.active_stream));
  }
  graph.state_width = graph.streams * graph.width;
  for (std::size_t i = 0; i < graph.layers.size(); ++i) {
    LayerGraph& layer = graph.layers[i];
    layer.normed_values = true;
    const auto threshold = keys.number("activation_sparsity_scale", i);
    if (threshold && std::isfinite(*threshold)) layer.gate_threshold = threshold;
  }
  share_keys_and_values(graph, keys);
}

/// Layers with a window have plain positions of their own.
void laguna(Graph& graph, const Keys& keys) {
  constexpr std::uint64_t kPeriod = 4;
  graph.softplus_gates = true;
  if (keys.find("expert_gating_func") == nullptr) graph.routing = Routing::sigmoid;
  const GgufValue* const pattern = keys.find("attention.sliding_window_pattern");
  for (std::size_t i = 0; i < graph.layers.size(); ++i) {
    LayerGraph& layer = graph.layers[i];
    if ((pattern == nullptr || pattern->as_array() == nullptr) && i % kPeriod == 0) {
      layer.window = 0;
      layer.rope.base = keys.number_or("rope.freq_base", layer.rope.base);
    }
    if (layer.window == 0) continue;
    const std::uint64_t dims = keys.count_or("rope.dimension_count_swa", layer.rope.dims);
    layer.rope = {.kind = layer.rope.kind, .dims = dims, .base = layer.rope.base};
    require_rope_fits(layer);
  }
}

/// Three of four layers see the positions of their chunk; the fourth sees all and has no rotary positions.
void llama4(Graph& graph, const Keys& keys) {
  constexpr std::uint64_t kPeriod = 4;
  constexpr std::uint64_t kChunk = 8192;
  constexpr std::uint64_t kExpertsWithoutNorms = 128;
  graph.routing = Routing::sigmoid;
  graph.normalized_experts = false;
  graph.weighs_inputs = true;
  graph.norm_after_rope = true;
  const bool always =
      keys.find("attention.sliding_window") != nullptr && keys.count("attention.sliding_window") == 0;
  for (std::size_t i = 0; i < graph.layers.size(); ++i) {
    LayerGraph& layer = graph.layers[i];
    layer.window = 0;
    layer.normed_heads = keys.count_or("expert_count", 0) != kExpertsWithoutNorms;
    if (always) continue;
    if (i % kPeriod != kPeriod - 1) {
      layer.chunk = kChunk;
      continue;
    }
    layer.rope.kind = RopeKind::none;
    layer.normed_heads = false;
    layer.warm_after = kChunk;
  }
}

/// Which positions a model has follows from its size alone: 13B has linear biases.
void baichuan(Graph& graph, const Keys& keys) {
  constexpr std::size_t kLayersOf13B = 40;
  if (graph.layers.size() != kLayersOf13B) return;
  linear_biases(graph, keys);
  for (LayerGraph& layer : graph.layers) layer.rope.kind = RopeKind::none;
}

void smallthinker(Graph& graph, const Keys&) {
  graph.routes_layer_inputs = true;
  rope_in_windows_but(graph, 0);
}

void mimo2(Graph& graph, const Keys&) {
  graph.routing = Routing::sigmoid;
}

/// Layers without a window turn half of what the others turn.
void step35(Graph& graph, const Keys& keys) {
  if (keys.find("expert_gating_func") == nullptr) graph.routing = Routing::sigmoid;
  graph.normalized_experts = keys.flag("expert_weights_norm", false);
  for (LayerGraph& layer : graph.layers) {
    if (layer.window == 0) {
      layer.rope.dims /= 2;
    } else {
      layer.rope.takes_factors = false;
    }
    require_rope_fits(layer);
  }
}

/// Layers with experts choose the blocks of positions that they see: all, as long as there are no more.
void minimax_m3(Graph& graph, const Keys& keys) {
  graph.longest_text = keys.count("attention.indexer.top_k") * keys.count("attention.indexer.block_size");
}

/// Latent attention to the positions that an indexer chooses: all, as long as there are no more.
void sparse_latent(Graph& graph, const Keys& keys) {
  unnormalized_experts(graph, keys);
  if (keys.find("expert_gating_func") == nullptr) graph.routing = Routing::sigmoid;
  graph.longest_text = keys.count("attention.indexer.top_k");
}

/// Positions in sections are those of pictures; of text, all sections have the same.
void halves_with_sections(Graph& graph, const Keys& keys) {
  if (keys.find("rope.dimension_sections") == nullptr) return;
  for (LayerGraph& layer : graph.layers) layer.rope.kind = RopeKind::halves;
}

void smollm3(Graph& graph, const Keys&) {
  constexpr std::uint64_t kPeriod = 4;
  for (std::size_t i = kPeriod - 1; i < graph.layers.size(); i += kPeriod) {
    graph.layers[i].rope.kind = RopeKind::none;
  }
}

/// The largest model of a family scales by the width of a head as the width of the model gives it.
void scale_by_width(Graph& graph, std::uint64_t layers_of_largest) {
  if (graph.layers.size() != layers_of_largest) return;
  const double head = static_cast<double>(graph.width) / static_cast<double>(graph.layers.front().heads);
  graph.attention_scale = 1.0 / std::sqrt(head);
}

void gemma2(Graph& graph, const Keys& keys) {
  constexpr std::uint64_t kLayersOf27B = 46;
  scaled_embedding(graph, keys);
  scale_by_width(graph, kLayersOf27B);
  for (std::size_t i = 1; i < graph.layers.size(); i += 2) graph.layers[i].window = 0;
}

void gemma3(Graph& graph, const Keys& keys) {
  constexpr std::uint64_t kPeriod = 6;
  constexpr std::uint64_t kLayersOf27B = 62;
  scaled_embedding(graph, keys);
  scale_by_width(graph, kLayersOf27B);
  for (std::size_t i = 0; i < graph.layers.size(); ++i) {
    LayerGraph& layer = graph.layers[i];
    if (i % kPeriod == kPeriod - 1) {
      layer.window = 0;
      layer.rope.base = keys.number_or("rope.freq_base", 10000.0);
      continue;
    }
    layer.rope.base = keys.number_or("rope.freq_base_swa", 10000.0);
    layer.rope.linear_factor = 1.0;
  }
}

void gpt_oss(Graph& graph, const Keys&) {
  graph.routing = Routing::softmax_of_chosen;
  for (LayerGraph& layer : graph.layers) layer.rope.whole_pairs = false;
  for (std::size_t i = 1; i < graph.layers.size(); i += 2) graph.layers[i].window = 0;
}

void gpt_neox(Graph& graph, const Keys& keys) {
  graph.parallel = keys.flag("use_parallel_residual", true);
}

/// Logits are divided by the key's number.
void granite(Graph& graph, const Keys& keys) {
  graph.logit_scale = 1.0 / keys.number_or("logit_scale", 1.0);
}

void minicpm3(Graph& graph, const Keys&) {
  // Numbers of the one model there is, which its keys do not have.
  constexpr double kEmbedding = 12.0;
  constexpr double kDepth = 1.4;
  constexpr double kBaseWidth = 256.0;
  graph.embedding_scale = kEmbedding;
  graph.residual_scale = kDepth / std::sqrt(static_cast<double>(graph.layers.size()));
  graph.logit_scale = kBaseWidth / static_cast<double>(graph.width);
}

void unweighted_norms(Graph& graph, const Keys&) {
  graph.unweighted_norms = true;
}

void norms_after_rope(Graph& graph, const Keys&) {
  graph.norm_after_rope = true;
}

void gated_delta_net(Graph& graph, const Keys&) {
  graph.gated_queries = true;
}

void tiled_delta_net(Graph& graph, const Keys&) {
  graph.gated_queries = true;
  graph.tiled_value_heads = true;
}

void no_rope(Graph& graph, const Keys&) {
  for (LayerGraph& layer : graph.layers) layer.rope.kind = RopeKind::none;
}

void granite_hybrid(Graph& graph, const Keys& keys) {
  granite(graph, keys);
  if (!keys.flag("rope.scaling.finetuned", true)) no_rope(graph, keys);
}

void nemotron_h(Graph& graph, const Keys&) {
  graph.routing = Routing::sigmoid;
}

void lfm2(Graph& graph, const Keys&) {
  graph.embedding_norm_is_last = true;
}

void lfm2_moe(Graph& graph, const Keys& keys) {
  lfm2(graph, keys);
  graph.routing = Routing::sigmoid;
}

void xielu_of_layers(Graph& graph, const Keys& keys) {
  const auto softplus = [](double x) { return x > 20.0 ? x : std::log1p(std::exp(x)); };
  for (std::size_t i = 0; i < graph.layers.size(); ++i) {
    const auto number = [&](const char* key) {
      const GgufValue* value = keys.all().find(key);
      const auto found = value == nullptr ? std::nullopt : Keys::element(*value, i);
      if (!found)
        throw Error(ErrorKind::input_invalid, std::string("the model's key '") + key + "' is missing");
      return *found;
    };
    const double beta = number("xielu.beta");
    graph.layers[i].xielu = {.positive = static_cast<float>(softplus(number("xielu.alpha_p"))),
                             .negative = static_cast<float>(beta + softplus(number("xielu.alpha_n"))),
                             .beta = static_cast<float>(beta),
                             .epsilon = static_cast<float>(number("xielu.eps"))};
  }
}

struct GraphRow {
  std::string_view arch;
  NormKind norm;
  RopeKind rope;
  Activation activation;
  Adapt adapt;
};

#define QTZ_GRAPH(arch, norm, rope, activation, adapt) \
  {arch, NormKind::norm, RopeKind::rope, Activation::activation, adapt},
constexpr GraphRow kGraphs[] = {
#include "forward/graphs.def"
};
#undef QTZ_GRAPH

const GraphRow& find_row(std::string_view arch) {
  const auto* const found = std::find_if(std::begin(kGraphs), std::end(kGraphs),
                                         [&](const GraphRow& row) { return row.arch == arch; });
  if (found != std::end(kGraphs)) return *found;
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
  for (const GraphRow& row : kGraphs) names.push_back(row.arch);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace qtz
