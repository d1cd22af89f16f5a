// Integers with a scale for each group of columns: what GPTQ, AWQ and compressed-tensors store. One text does
// both rounding to nearest and GPTQ's loop, which lets later columns make up for the error of earlier ones.
#pragma once

#include <cstdint>

namespace qtz {

/// How many rows one call of GroupQuantizeFn takes.
inline constexpr std::uint64_t kSlabRows = 64;

/// Some rows of a matrix, transposed: column c of row r is at [c * kSlabRows + r]. Rows that are not there
/// are zeros.
struct GroupQuantizeJob {
  std::uint64_t cols = 0;
  std::uint64_t groups = 0;
  const std::uint32_t* group_of = nullptr;  ///< [cols]: the group of each column
  /// The columns of each group: members[starts[g]] ... members[starts[g + 1] - 1].
  const std::uint32_t* members = nullptr;  ///< [cols]
  const std::uint32_t* starts = nullptr;   ///< [groups + 1]
  /// Scales fit the weights as they are at first. Else those that earlier columns left, when a group's first
  /// column is reached; its columns are then consecutive.
  bool fixed_scales = false;

  unsigned bits = 4;         ///< 2 ... 8
  bool symmetric = true;     ///< the zero point is 2^(bits - 1), and a scale may be negative
  unsigned least_zero = 0;   ///< of zero points that are searched for
  bool bf16_scales = false;  ///< else FP16

  const float* importance = nullptr;  ///< [cols], of squared errors while a scale is searched; null: all 1
  /// [cols, cols], upper triangular: Cholesky factor of the inverse Hessian. Null: no column makes up for
  /// another.
  const float* factor = nullptr;

  /// [cols, cols], symmetric: the damped Hessian of the columns. Not null: after the loop codes and scales
  /// are refined `sweeps` times.
  const float* hessian = nullptr;
  unsigned sweeps = 0;

  float* weights = nullptr;  ///< [cols, kSlabRows]; finite; overwritten
  float* errors =
      nullptr;  ///< [cols, kSlabRows], for refining: the weights as they are at first; overwritten
  float* levels = nullptr;        ///< [cols, kSlabRows], for refining; overwritten
  float* gradients = nullptr;     ///< [cols, kSlabRows], for refining; overwritten
  std::uint8_t* codes = nullptr;  ///< [cols, kSlabRows]
  float* scales = nullptr;        ///< [groups, kSlabRows], as they will be stored
  std::uint8_t* zeros = nullptr;  ///< [groups, kSlabRows]
  /// [kSlabRows]: e^T H e of the errors e with the damped Hessian H that was given as factor; without one the
  /// sum of squared errors.
  float* losses = nullptr;
};

}  // namespace qtz
