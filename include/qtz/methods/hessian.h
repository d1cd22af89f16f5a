// The second moments of what goes into a matrix, X^T X: by how much an error of one weight can be made up for
// by another, and how much each matters. GPTQ's "Hessian", but for a factor that cancels out.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "qtz/core/progress.h"
#include "qtz/kernels/backend.h"

namespace qtz {

class Hessian {
 public:
  explicit Hessian(std::uint64_t cols) : cols_(cols), sums_(cols * cols) {}

  std::uint64_t cols() const noexcept { return cols_; }
  std::uint64_t rows() const noexcept { return rows_; }  ///< tokens that were added

  /// Adds rows [rows, cols]. Products of a few thousand rows at a time are f32, by BLAS; sums are f64. Throws
  /// numeric when an input is NaN or infinite.
  void add(const float* rows, std::uint64_t count, unsigned threads, const CancelToken& cancel);

  /// Sum of squares of input `col`.
  double diagonal(std::uint64_t col) const noexcept { return sums_[col * cols_ + col]; }
  /// Element (i, j), i <= j.
  double upper(std::uint64_t i, std::uint64_t j) const noexcept { return sums_[i * cols_ + j]; }

 private:
  std::uint64_t cols_;
  std::uint64_t rows_ = 0;
  std::vector<double> sums_;  ///< [cols, cols], the upper triangle
};

struct FactorSettings {
  double damping = 0.01;  ///< of the mean of the diagonal, added to it
};

/// What GPTQ's loop takes, for all matrices with the same inputs.
struct HessianFactor {
  std::vector<std::uint32_t> order;  ///< columns as they are quantized; empty: as they are
  std::vector<float> factor;         ///< [cols, cols], see InputKnowledge::factor
  std::vector<float> hessian;        ///< [cols, cols], see InputKnowledge::hessian
  /// [cols], of the columns as the matrix has them: what an error of a column costs when all columns after it
  /// make up for it as well as they can.
  std::vector<float> importance;
  double damping = 0.0;           ///< that was needed
  std::uint64_t dead_inputs = 0;  ///< that were always 0
};

/// Upper Cholesky factor of the inverse of the damped, reordered moments. Inputs that were always 0 neither
/// make up for others nor are made up for. Where the matrix is singular in f64, damping is raised tenfold
/// until it is not; nothing if even a hundred times the diagonal's mean does not help, as with no data at
/// all.
std::optional<HessianFactor> factor_hessian(const Hessian& hessian, std::span<const std::uint32_t> order,
                                            const FactorSettings& settings, const Backend& backend,
                                            unsigned threads, const CancelToken& cancel);

/// Columns by falling diagonal. With groups, these stay together: each group's columns by falling diagonal,
/// and groups by their largest, so that scales can fit what errors before them left. `group_size` 0: all
/// columns are free.
std::vector<std::uint32_t> activation_order(const Hessian& hessian, std::uint64_t group_size);

}  // namespace qtz
