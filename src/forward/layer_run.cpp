#include "forward/layer_run.h"

#include <algorithm>

#include "forward/elementwise.h"
#include "qtz/core/error.h"
#include "qtz/core/parallel.h"
#include "qtz/linalg/products.h"

namespace qtz {

namespace {

constexpr std::uint64_t kPieceRows = 32;

}  // namespace

void for_row_pieces(const LayerRun& run, std::uint64_t rows,
                    const std::function<void(std::uint64_t first, std::uint64_t count)>& fn) {
  parallel_for((rows + kPieceRows - 1) / kPieceRows, run.threads, run.cancel,
               [&](unsigned, std::uint64_t piece) {
                 const std::uint64_t first = piece * kPieceRows;
                 fn(first, std::min(kPieceRows, rows - first));
               });
}

Matrix product(const LayerRun& run, const Matrix& in, const Matrix& weights, std::span<const float> bias) {
  if (in.cols != weights.cols) {
    throw Error(ErrorKind::input_invalid, "layer " + std::to_string(run.layer) + " multiplies rows of " +
                                              std::to_string(in.cols) + " with weights for " +
                                              std::to_string(weights.cols));
  }
  if (!bias.empty() && bias.size() != weights.rows) {
    throw Error(ErrorKind::input_invalid, "layer " + std::to_string(run.layer) + " has a bias of " +
                                              std::to_string(bias.size()) + " for a matrix of " +
                                              std::to_string(weights.rows) + " rows");
  }
  Matrix out{in.rows, weights.rows, {}};
  out.values.resize(out.rows * out.cols);
  multiply_transposed_parallel({in.values.data(), in.cols}, {weights.values.data(), weights.cols},
                               out.values.data(), out.cols, in.rows, weights.rows, in.cols, run.threads,
                               run.cancel);
  if (bias.empty()) return out;
  for_row_pieces(run, out.rows, [&](std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t r = first; r < first + count; ++r) {
      for (std::uint64_t c = 0; c < out.cols; ++c) out.row(r)[c] += bias[c];
    }
  });
  return out;
}

std::vector<std::uint64_t> positions_of(const Batch& batch) {
  std::vector<std::uint64_t> positions(batch.size());
  for (std::uint64_t text = 0; text < batch.texts(); ++text) {
    for (std::uint64_t i = batch.starts[text]; i < batch.end_of(text); ++i)
      positions[i] = i - batch.starts[text];
  }
  return positions;
}

void apply(const LayerRun& run, Matrix& matrix, float (*function)(float) noexcept) {
  for_row_pieces(run, matrix.rows, [&](std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t i = first * matrix.cols; i < (first + count) * matrix.cols; ++i) {
      matrix.values[i] = function(matrix.values[i]);
    }
  });
}

void multiply_by(const LayerRun& run, const Matrix& gates, float (*function)(float) noexcept, Matrix& to) {
  for_row_pieces(run, to.rows, [&](std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t i = first * to.cols; i < (first + count) * to.cols; ++i) {
      to.values[i] *= function(gates.values[i]);
    }
  });
}

const std::vector<float>& numbers(const LayerRun& run, std::string_view part, std::uint64_t count) {
  const std::string name = run.name(part);
  const std::vector<float>& found = run.weights.read(name).values;
  if (found.size() == count) return found;
  throw Error(ErrorKind::input_invalid, "tensor '" + name + "' has " + std::to_string(found.size()) +
                                            " elements, but the forward pass needs " + std::to_string(count));
}

Matrix columns(const LayerRun& run, const Matrix& in, std::uint64_t first, std::uint64_t count) {
  Matrix out{in.rows, count, std::vector<float>(in.rows * count)};
  for_row_pieces(run, in.rows, [&](std::uint64_t begin, std::uint64_t rows) {
    for (std::uint64_t r = begin; r < begin + rows; ++r) std::copy_n(in.row(r) + first, count, out.row(r));
  });
  return out;
}

void put_columns(const LayerRun& run, const Matrix& from, std::uint64_t first, Matrix& to) {
  for_row_pieces(run, from.rows, [&](std::uint64_t begin, std::uint64_t rows) {
    for (std::uint64_t r = begin; r < begin + rows; ++r)
      std::copy_n(from.row(r), from.cols, to.row(r) + first);
  });
}

void add(const LayerRun& run, const Matrix& what, double scale, Matrix& to) {
  if (what.cols != to.cols) {
    throw Error(ErrorKind::input_invalid, "layer " + std::to_string(run.layer) + " gives states of " +
                                              std::to_string(what.cols) + " in a model of width " +
                                              std::to_string(to.cols));
  }
  const auto factor = static_cast<float>(scale);
  for_row_pieces(run, to.rows, [&](std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t i = first * to.cols; i < (first + count) * to.cols; ++i) {
      to.values[i] += factor * what.values[i];
    }
  });
}

void require_cols(const LayerRun& run, const Matrix& matrix, std::uint64_t cols, const char* what) {
  if (matrix.cols == cols) return;
  throw Error(ErrorKind::input_invalid, "layer " + std::to_string(run.layer) + " has " + what + " of " +
                                            std::to_string(matrix.cols) + " elements, but its keys make " +
                                            std::to_string(cols));
}

Matrix linear(const LayerRun& run, std::string_view part, const Matrix& in) {
  const Matrix& weights = run.weights.read(run.name(part) + ".weight");
  run.collect(part, in);
  return product(run, in, weights, run.weights.vector_if(run.name(part) + ".bias", weights.rows));
}

Matrix normed(const LayerRun& run, std::string_view part, const Matrix& in) {
  const std::vector<float>& weight = run.weights.vector_if(run.name(part) + ".weight", in.cols);
  const std::vector<float>& bias = run.weights.vector_if(run.name(part) + ".bias", in.cols);
  Matrix out = in;
  for_row_pieces(run, out.rows, [&](std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t r = first; r < first + count; ++r) {
      norm_row({out.row(r), out.cols}, run.graph.norm, run.graph.epsilon, weight, bias);
    }
  });
  return out;
}

}  // namespace qtz
