// What the reference codecs of Q2_0, TQ1_0 and TQ2_0 share: each element becomes -1, 0 or 1 times the block's
// largest magnitude.
#pragma once

#include <algorithm>
#include <cstdint>

#include "reference/ref_math.h"

namespace qtz::reference {

inline float largest_magnitude(const float* x, int n) {
  float largest = 0;
  for (int i = 0; i < n; ++i) largest = std::max(largest, std::fabs(x[i]));
  return largest;
}

/// 1 / largest, infinite where that is what the division gives; 0 for a block of zeros.
inline float inverse_of(float largest) {
  return largest != 0 ? 1 / largest : 0.0F;
}

}  // namespace qtz::reference
