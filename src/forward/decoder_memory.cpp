#include "forward/decoder_memory.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>

namespace qtz {

namespace {

/// What a layer's tensors make of memory.
struct LayerSizes {
  std::uint64_t weights = 0;  ///< elements, of one expert where there are several
  std::uint64_t outputs = 0;  ///< elements that a token has in the results of all products
};

/// The layer of "blk.3.attn_q.weight"; nullopt for tensors of none.
std::optional<std::uint64_t> layer_of(std::string_view name) {
  constexpr std::string_view kPrefix = "blk.";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  std::uint64_t layer = 0;
  for (const char c : name.substr(kPrefix.size())) {
    if (c == '.') return layer;
    if (c < '0' || c > '9') break;
    layer = layer * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return std::nullopt;
}

/// The layer that reads a tensor of none: the first spreads a token's states, the last brings them together.
std::optional<std::uint64_t> reader_of(const Graph& graph, std::string_view name) {
  if (name == "altup_proj.weight") return 0;
  if (name == "altup_unembd_proj.weight") return graph.layers.size() - 1;
  return layer_of(name);
}

std::map<std::uint64_t, LayerSizes> sizes_of_layers(const Graph& graph, const Weights& weights) {
  constexpr std::string_view kExperts = "_exps.";
  std::map<std::uint64_t, LayerSizes> layers;
  for (const auto& [name, tensor] : weights.tensors()) {
    const std::optional<std::uint64_t> layer = reader_of(graph, name);
    if (!layer) continue;
    const Shape& shape = tensor->expr->shape();
    const bool is_of_experts = name.find(kExperts) != std::string::npos && shape.rank() > 1 && shape[0] > 0;
    const std::uint64_t rows = is_of_experts ? shape.rows() / shape[0] : shape.rows();
    layers[*layer].weights += rows * shape.cols();
    layers[*layer].outputs += rows;
  }
  return layers;
}

std::uint64_t longest_text(const Batch& batch) {
  std::uint64_t longest = 0;
  for (std::uint64_t text = 0; text < batch.texts(); ++text)
    longest = std::max(longest, batch.end_of(text) - batch.starts[text]);
  return longest;
}

}  // namespace

DecoderMemory memory_of(const Graph& graph, const Weights& weights, const Batch& batch,
                        std::uint64_t at_a_time, unsigned threads) {
  // Beside the results of its products, which are copied once where heads or halves are taken apart, a layer
  // has the state, what is normed, what is added, and what a router or experts beside attention keep of its
  // start; and twice all that goes from layer to layer, as keys and values that it takes are copied, too. A
  // layer's own embedding needs its part of a matrix, and each thread a token's row of a table.
  constexpr std::uint64_t kStates = 7;
  constexpr std::uint64_t kCopies = 2;
  constexpr std::uint64_t kQueries = 128;  // of which a thread has the scores
  std::uint64_t elements = 0;
  std::uint64_t outputs = 0;
  for (const auto& [layer, sizes] : sizes_of_layers(graph, weights)) {
    elements = std::max(elements, sizes.weights);
    outputs = std::max(outputs, sizes.outputs);
  }
  const std::uint64_t longest = longest_text(batch);
  const std::uint64_t tokens = std::min(batch.size(), std::max(longest, at_a_time));
  DecoderMemory memory{};
  const std::uint64_t of_token = kStates * graph.width + kCopies * (graph.state_width + outputs);
  const std::uint64_t of_thread = kQueries * longest + kCopies * graph.layers.size() * graph.embedding_width;
  memory.layer = (elements + graph.embedding_width * (graph.width + 1)) * sizeof(float);
  memory.piece = (tokens * of_token + threads * of_thread) * sizeof(float);
  memory.output = threads * kOutputRows * graph.width * sizeof(float);
  return memory;
}

}  // namespace qtz
