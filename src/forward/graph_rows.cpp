#include "forward/graph_rows.h"

#include <algorithm>
#include <cmath>

namespace qtz {

void require_rope_fits(const LayerGraph& layer) {
  if (layer.rope.dims <= layer.key && layer.rope.dims % 2 == 0) return;
  throw Error(ErrorKind::input_invalid, "rotary positions of " + std::to_string(layer.rope.dims) +
                                            " elements do not fit heads of " + std::to_string(layer.key));
}

namespace {

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

#define QTZ_GRAPH(arch, norm, rope, activation, adapt) \
  {arch, NormKind::norm, RopeKind::rope, Activation::activation, adapt},
constexpr GraphRow kGraphs[] = {
#include "forward/graphs.def"
};
#undef QTZ_GRAPH

}  // namespace

std::span<const GraphRow> graph_rows() noexcept {
  return kGraphs;
}

}  // namespace qtz
