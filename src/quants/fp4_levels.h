// The sixteen levels of MXFP4 and NVFP4 (E2M1: 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives), doubled to be
// whole, so that both types store half the scale of their formats. Authority: the OCP Microscaling Formats
// specification 1.0 for the numbers, ggml's kvalues_fp4 and best_index_mxfp4 for the choice of a level: the
// smallest error, of equal ones the first index.
//
// ggml compares all sixteen errors |level * d - x|. That is the same as counting the middles of neighbouring
// levels that |x| exceeds: products of a level and a scale are exact (scales have at most four bits), near a
// middle both errors are exact or, for the lowest, rounded to the side they are on, and beyond it the errors
// of neighbours differ by more than rounding can hide while |x| < 2^22 d. A level whose product overflows is
// never chosen. The negative zero is second to the positive one and never chosen either.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "quants/lane.h"

namespace qtz::quants {

// Not `inline`: gathers take its address, and every kernel level must keep a copy of its own.
static constexpr std::array<float, 16> kFp4Levels{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
inline constexpr std::size_t kFp4Magnitudes = 8;

/// at[i]: above it, level i + 1 is nearer than level i; infinite where level i + 1 times d is.
template <class L>
struct Fp4Middles {
  typename L::F at[kFp4Magnitudes - 1];
};

template <class L>
[[gnu::always_inline]] inline Fp4Middles<L> fp4_middles(typename L::F d) {
  using F = typename L::F;
  Fp4Middles<L> middles;
  for (std::size_t i = 0; i + 1 < kFp4Magnitudes; ++i) {
    const float half_gap = (kFp4Levels[i + 1] - kFp4Levels[i]) / 2;
    middles.at[i] = F(kFp4Levels[i + 1]) * d - F(half_gap) * d;
  }
  return middles;
}

/// The index of x's level, for |x| < 2^22 d.
template <class L>
[[gnu::always_inline]] inline typename L::I fp4_index(typename L::F x, const Fp4Middles<L>& middles) {
  using I = typename L::I;
  const auto size = L::abs(x);
  I index(0);
  for (std::size_t i = 0; i + 1 < kFp4Magnitudes; ++i) {
    index = L::step(L::gt(size, middles.at[i]), I(static_cast<std::int32_t>(i + 1)), index);
  }
  const I sign = L::shr(L::bits(x), 28) & I(8);
  return L::select(L::gt(index, I(0)), index | sign, index);
}

/// The same for any x: all errors compared.
template <class L>
[[gnu::always_inline]] inline typename L::I fp4_index_by_errors(typename L::F x, typename L::F d) {
  using F = typename L::F;
  using I = typename L::I;
  I index(0);
  F least = L::abs(x);
  for (std::size_t i = 1; i < kFp4Levels.size(); ++i) {
    const F error = L::abs(F(kFp4Levels[i]) * d - x);
    const auto nearer = L::lt(error, least);
    index = L::select(nearer, I(static_cast<std::int32_t>(i)), index);
    least = L::select(nearer, error, least);
  }
  return index;
}

}  // namespace qtz::quants
