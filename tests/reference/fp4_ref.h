// What the reference codecs of MXFP4 and NVFP4 share: the sixteen E2M1 levels, doubled, and the choice among
// them by comparing all errors.
#pragma once

#include <array>

#include "reference/ref_math.h"

namespace qtz::reference {

inline constexpr std::array<int, 16> kFp4Values{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/// Index of the value nearest to x / d; of equally near ones the first.
inline int nearest_fp4(float x, float d) {
  const auto error = [&](int index) {
    return std::fabs(static_cast<float>(kFp4Values[static_cast<std::size_t>(index)]) * d - x);
  };
  int best = 0;
  for (int index = 1; index < 16; ++index) {
    if (error(index) < error(best)) best = index;
  }
  return best;
}

inline float fp4_value(int index) {
  return static_cast<float>(kFp4Values[static_cast<std::size_t>(index)]);
}

}  // namespace qtz::reference
