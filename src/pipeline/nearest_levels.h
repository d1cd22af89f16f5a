// The error of the types that search for nothing: Q1_0, Q2_0, TQ1_0, TQ2_0, MXFP4 and NVFP4 take their scale
// from a group's mean or largest magnitude and each weight's nearest level, so what they lose is not a matter
// of luck and follows from the weights themselves. Steps of equal width would foretell it badly: with three
// levels most weights become zero. Importance has no say in it.
#pragma once

#include <span>

#include "qtz/core/dtype.h"

namespace qtz {

bool takes_nearest_levels(DType type) noexcept;

/// The squared error of a piece of a row encoded as such a type, summed over its elements, and what the
/// rounding of the scale may add to it.
struct NearestNoise {
  double levels = 0;
  double scale = 0;
};
NearestNoise nearest_level_noise(DType type, std::span<const float> piece) noexcept;

}  // namespace qtz
