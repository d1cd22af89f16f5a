// What Q2_0, TQ1_0 and TQ2_0 have in common: levels -1, 0 and 1 of a block's largest magnitude d, the nearest
// to x / d, halves away from zero. Authority: ggml's quantize_row_q2_0_ref and quantize_row_tq{1,2}_0_ref.
#pragma once

#include <cstddef>
#include <limits>

#include "quants/lane.h"

namespace qtz::quants {

/// d and what x is multiplied by: 1 / d, or 0 where d has no finite inverse (`lost`: the block is zero or
/// subnormal).
template <class L>
struct TernaryScale {
  typename L::F d, inverse;
  typename L::M lost;
};

template <class L, std::size_t N>
[[gnu::always_inline]] inline TernaryScale<L> ternary_scale(const typename L::F* x) {
  using F = typename L::F;
  F amax(0.0f);
  for (std::size_t i = 0; i < N; ++i) amax = L::max(L::abs(x[i]), amax);
  const F inverse = F(1.0f) / amax;
  const auto finite = L::lt(inverse, F(std::numeric_limits<float>::infinity()));
  return {amax, L::select(finite, inverse, F(0.0f)), L::invert(finite)};
}

/// round(x * inverse), which is at most 1 in magnitude: doubling is exact and turns "at least one half" into
/// "at least one", which dropping the fraction decides.
template <class L>
[[gnu::always_inline]] inline typename L::I ternary_level(typename L::F x, typename L::F inverse) {
  using F = typename L::F;
  const F ratio = x * inverse;
  return L::trunc_to_int(L::min(L::max(ratio + ratio, F(-1.0f)), F(1.0f)));
}

}  // namespace qtz::quants
