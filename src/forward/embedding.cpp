#include "forward/embedding.h"

#include <string>

#include "forward/elementwise.h"
#include "qtz/core/error.h"
#include "qtz/core/parallel.h"

namespace qtz {

namespace {

constexpr const char* kTokens = "token_embd.weight";
constexpr const char* kPositions = "position_embd.weight";

}  // namespace

Embedding::Embedding(const Graph& graph, const Weights& weights, unsigned threads, const CancelToken& cancel)
    : graph_(graph), weights_(weights), threads_(threads), cancel_(cancel) {
  if (!graph.embedding_norm_is_last) {
    norm_weight_ = weights.vector_if("token_embd_norm.weight", graph.width);
    norm_bias_ = weights.vector_if("token_embd_norm.bias", graph.width);
  }
  if (!weights.has(kPositions)) return;
  positions_ = weights.read(kPositions);
  if (positions_.cols == graph.width) return;
  throw Error(ErrorKind::input_invalid, "tensor '" + std::string(kPositions) + "' has rows of " +
                                            std::to_string(positions_.cols) + " in a model of width " +
                                            std::to_string(graph.width));
}

Matrix Embedding::rows_of(const Batch& batch) const {
  Matrix state{batch.size(), graph_.width, std::vector<float>(batch.size() * graph_.width)};
  const std::uint64_t vocabulary = weights_.shape(kTokens).rows();
  for (const std::uint32_t token : batch.tokens) {
    if (token < vocabulary) continue;
    throw Error(ErrorKind::input_invalid, "token " + std::to_string(token) + " is beyond the " +
                                              std::to_string(vocabulary) + " rows of the embedding");
  }
  const auto scale = static_cast<float>(graph_.embedding_scale);
  parallel_for(batch.size(), threads_, cancel_, [&](unsigned, std::uint64_t i) {
    const Matrix row = weights_.read_rows_alone(kTokens, batch.tokens[i], 1);
    for (std::uint64_t c = 0; c < state.cols; ++c) state.row(i)[c] = row.values[c] * scale;
  });
  if (!positions_.empty()) add_positions(batch, state);
  if (norm_weight_.empty()) return state;
  for (std::uint64_t r = 0; r < state.rows; ++r) {
    norm_row({state.row(r), state.cols}, graph_.norm, graph_.epsilon, norm_weight_, norm_bias_);
  }
  return state;
}

void Embedding::add_positions(const Batch& batch, Matrix& state) const {
  for (std::uint64_t text = 0; text < batch.texts(); ++text) {
    for (std::uint64_t i = batch.starts[text]; i < batch.end_of(text); ++i) {
      const std::uint64_t position = i - batch.starts[text];
      if (position >= positions_.rows) {
        throw Error(ErrorKind::input_invalid, "the model has positions up to " +
                                                  std::to_string(positions_.rows) +
                                                  " only; choose a shorter context");
      }
      for (std::uint64_t c = 0; c < state.cols; ++c) state.row(i)[c] += positions_.row(position)[c];
    }
  }
}

}  // namespace qtz
