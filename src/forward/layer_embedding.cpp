// An embedding that each layer has for itself: beside the state that tokens begin with, projected for the
// layer, what a second table has for the token, gated by what the layer made of it.
#include <algorithm>
#include <cmath>

#include "forward/elementwise.h"
#include "forward/embedding.h"
#include "forward/layer_run.h"
#include "qtz/core/error.h"
#include "qtz/core/parallel.h"

namespace qtz {

namespace {

constexpr const char* kTable = "per_layer_token_embd.weight";
constexpr const char* kProjection = "per_layer_model_proj.weight";

void require_table(const LayerRun& run) {
  const std::uint64_t all = run.graph.layers.size() * run.graph.embedding_width;
  const Shape& table = run.weights.shape(kTable);
  const Shape& projection = run.weights.shape(kProjection);
  if (table.cols() == all && projection.rows() == all) return;
  throw Error(ErrorKind::input_invalid,
              "tensors '" + std::string(kTable) + "' " + table.to_string() + " and '" + kProjection + "' " +
                  projection.to_string() + " do not have " + std::to_string(run.graph.embedding_width) +
                  " elements for each of " + std::to_string(run.graph.layers.size()) + " layers");
}

/// The layer's part of the projected embedding, normed.
Matrix projected(const LayerRun& run) {
  const std::uint64_t width = run.graph.embedding_width;
  const Matrix tokens = Embedding(run.graph, run.weights.all(), run.threads, run.cancel).rows_of(run.batch);
  Matrix out = product(run, tokens, run.weights.read_rows(kProjection, run.layer * width, width), {});
  const std::vector<float>& weight = run.weights.vector_if("per_layer_proj_norm.weight", width);
  const auto scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(run.graph.width)));
  for_row_pieces(run, out.rows, [&](std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t r = first; r < first + count; ++r) {
      for (std::uint64_t c = 0; c < width; ++c) out.row(r)[c] *= scale;
      norm_row({out.row(r), width}, run.graph.norm, run.graph.epsilon, weight, {});
    }
  });
  return out;
}

/// Adds the token's row of the table, of which each layer has a part, and makes the sum as large as one of
/// both.
void add_table(const LayerRun& run, Matrix& to) {
  const std::uint64_t width = run.graph.embedding_width;
  const std::uint64_t rows = run.weights.shape(kTable).rows();
  const auto scale = static_cast<float>(std::sqrt(static_cast<double>(width)));
  const auto half = static_cast<float>(std::sqrt(0.5));
  for (const std::uint32_t token : run.batch.tokens) {
    if (token < rows) continue;
    throw Error(ErrorKind::input_invalid, "token " + std::to_string(token) + " is beyond the " +
                                              std::to_string(rows) + " rows of '" + kTable + "'");
  }
  parallel_for(to.rows, run.threads, run.cancel, [&](unsigned, std::uint64_t r) {
    const Matrix row = run.weights.all().read_rows_alone(kTable, run.batch.tokens[r], 1);
    const float* own = row.values.data() + run.layer * width;
    for (std::uint64_t c = 0; c < width; ++c) to.row(r)[c] = half * (to.row(r)[c] + scale * own[c]);
  });
}

}  // namespace

Matrix layer_embedding(const LayerRun& run, const Matrix& from) {
  require_table(run);
  Matrix embedded = projected(run);
  add_table(run, embedded);
  const Matrix gates = linear(run, "inp_gate", from);
  require_cols(run, gates, embedded.cols, "gates of the layer's embedding");
  const Xielu& xielu = run.own().xielu;
  for_row_pieces(run, gates.rows, [&](std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t i = first * gates.cols; i < (first + count) * gates.cols; ++i) {
      embedded.values[i] *= activated(run.graph.activation, xielu, gates.values[i]);
    }
  });
  return normed(run, "post_norm", linear(run, "proj", embedded));
}

}  // namespace qtz
