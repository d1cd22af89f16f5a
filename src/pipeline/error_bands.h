// How much error each type may make. The band is relative to what is stored: a type's step sizes follow from
// the extremes of its own small groups, so its noise can be foretold from the source, group by group,
// whatever the distribution of the weights. A sound encoding stays near the foretold noise; a wrong
// permutation, a swapped tensor or a damaged block is far above it.
#pragma once

#include <span>

#include "qtz/core/dtype.h"

namespace qtz {

/// Elements looked at together: a super-block. Rows are cut into pieces of this size, the last may be
/// shorter.
inline constexpr std::size_t kErrorPiece = 256;

/// The foretold squared error of a piece of a row, summed over its elements, when encoded as `type`. Zero for
/// types that lose nothing (F32).
double foretold_noise(DType type, std::span<const float> piece) noexcept;

/// True if errors of this type can be judged: plain floats and the types that qtz encodes.
bool has_error_band(DType type) noexcept;

/// Largest sound ratio of the squared error to the foretold one.
struct ErrorLimits {
  double tensor;    ///< for a whole tensor encoded without importance
  double piece;     ///< for its worst piece
  double weighted;  ///< for a whole tensor when importance decided where the error goes
};
ErrorLimits error_limits(DType type) noexcept;

}  // namespace qtz
