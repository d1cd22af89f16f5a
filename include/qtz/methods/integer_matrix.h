// Matrices of integers with a scale for each group of a row, as GPTQ, AWQ and compressed-tensors store them,
// and how they are made of weights: by rounding to nearest, or by GPTQ's loop.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "qtz/core/progress.h"
#include "qtz/kernels/backend.h"

namespace qtz {

/// What the integers of a matrix are.
struct IntegerScheme {
  unsigned bits = 4;             ///< 2 ... 8
  std::uint64_t group_size = 0;  ///< consecutive columns that share a scale; 0: all
  bool symmetric = true;         ///< the zero point is 2^(bits - 1), and a scale may be negative
  unsigned least_zero = 0;       ///< of the zero points of asymmetric codes
  bool bf16_scales = false;      ///< else FP16

  bool operator==(const IntegerScheme&) const = default;

  std::uint64_t groups(std::uint64_t cols) const noexcept {
    return group_size == 0 ? 1 : (cols + group_size - 1) / group_size;
  }
};

/// Of a matrix [rows, cols]: weight(r, c) ~ scales[g, r] * (codes[c, r] - zeros[g, r]), g = group_of(c).
struct IntegerMatrix {
  IntegerScheme scheme;
  std::uint64_t rows = 0;
  std::uint64_t cols = 0;
  std::vector<std::uint8_t> codes;           ///< [cols, rows]
  std::vector<float> scales;                 ///< [groups, rows]; each is a number of the scheme's type
  std::vector<std::uint8_t> zeros;           ///< [groups, rows]
  std::vector<std::uint32_t> column_groups;  ///< [cols]; empty: c / group_size
  double loss = 0.0;                         ///< of all rows, see GroupQuantizeJob::losses

  std::uint64_t group_of(std::uint64_t col) const noexcept {
    if (!column_groups.empty()) return column_groups[col];
    return scheme.group_size == 0 ? 0 : col / scheme.group_size;
  }
  /// What readers make of it, in the same arithmetic: [rows, cols].
  std::vector<float> weights() const;
};

/// What is known about the inputs of a matrix. All spans have one element, or one row and column, for each
/// column of the matrix, or are empty.
struct InputKnowledge {
  /// How much an error of a column's weights matters, for the search of scales.
  std::span<const float> importance = {};
  /// [cols, cols]: upper Cholesky factor of the inverse Hessian of the columns as `order` has them. Empty:
  /// every weight is rounded by itself.
  std::span<const float> factor = {};
  /// [cols, cols], symmetric: the damped Hessian, of the columns as `order` has them. Not empty: codes and
  /// scales are refined by it, `sweeps` times.
  std::span<const float> hessian = {};
  unsigned sweeps = 0;
  /// The columns in the order in which they are quantized; empty: as they are.
  std::span<const std::uint32_t> order = {};
  /// Scales fit the weights as they are at first, not as errors before their group left them. Needed where
  /// `order` mixes groups.
  bool fixed_scales = false;
  /// Groups are of columns that follow each other in `order`, wherever they are in the matrix.
  bool groups_in_order = false;
};

/// `weights` [rows, cols], finite. Threads split rows: the result is the same with any number of them, and on
/// every backend.
IntegerMatrix quantize_matrix(std::span<const float> weights, std::uint64_t rows, std::uint64_t cols,
                              const IntegerScheme& scheme, const InputKnowledge& inputs,
                              const Backend& backend, unsigned threads, const CancelToken& cancel);

}  // namespace qtz
