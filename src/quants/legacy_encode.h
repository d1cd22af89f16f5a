// The four nibble types as two texts: symmetric levels with a scale (Q4_0: 4 bits, Q5_0: 5 bits) and levels
// above a minimum (Q4_1, Q5_1), each plain and weighted. The type files name the blocks and the authority.
#pragma once

#include <cstddef>
#include <limits>

#include "quants/bit_packing.h"
#include "quants/half_lane.h"
#include "quants/legacy_blocks.h"
#include "quants/scale_search.h"

namespace qtz::quants {

/// Levels 0 .. 2 Max - 1 of x ~ d * (level - Max): plainly d = extreme / -Max, where extreme is the first
/// element of the largest magnitude; with importance the weighted search.
template <class L, int Max, class Store>
[[gnu::always_inline]] inline void encode_symmetric(const float* tile, const float* importance,
                                                    std::uint64_t rows, std::uint64_t cols, Store&& store) {
  using F = typename L::F;
  using I = typename L::I;
  if (importance != nullptr) {
    for_each_weighted_group<L>(tile, importance, rows, cols,
                               [&](const F* x, const F* w, const BlockGroup<L>& group) {
                                 const SignedScale<L> found = search_signed_scale<L, kLegacyElems, Max>(x, w);
                                 I levels[kLegacyElems];
                                 signed_levels<L, kLegacyElems, Max>(x, found, levels);
                                 store(f32_to_f16<L>(found.scale), levels, group);
                               });
    return;
  }
  for_each_legacy_group<L>(tile, rows, cols, [&](const F* x, const BlockGroup<L>& group) {
    const F extreme = first_extreme<L, kLegacyElems>(x);
    const F d = extreme / F(static_cast<float>(-Max));
    F inverse = L::select(L::ne(d, F(0.0f)), F(1.0f) / d, F(0.0f));
    // Where the inverse overflows (d subnormal) ggml converts infinities and NaN to 0.
    const auto finite = L::lt(L::abs(inverse), F(std::numeric_limits<float>::infinity()));
    inverse = L::select(finite, inverse, F(0.0f));
    const F half_up = L::select(finite, F(static_cast<float>(Max) + 0.5f), F(0.0f));
    I levels[kLegacyElems];
    for (std::size_t i = 0; i < kLegacyElems; ++i) {
      const F shifted = x[i] * inverse + half_up;
      levels[i] = L::trunc_to_int(L::min(shifted, F(static_cast<float>(2 * Max) - 0.5f)));
    }
    store(f32_to_f16<L>(d), levels, group);
  });
}

/// Levels 0 .. Max of x ~ d * level + m: plainly m = min, d = (max - min) / Max; with importance the weighted
/// search.
template <class L, int Max, class Store>
[[gnu::always_inline]] inline void encode_with_minimum(const float* tile, const float* importance,
                                                       std::uint64_t rows, std::uint64_t cols,
                                                       Store&& store) {
  using F = typename L::F;
  using I = typename L::I;
  if (importance != nullptr) {
    constexpr GridCandidates kCandidates{-0.9f, 0.05f, 37};
    for_each_weighted_group<L>(
        tile, importance, rows, cols, [&](const F* x, const F* w, const BlockGroup<L>& group) {
          const GridScale<L> found = search_grid_scale<L, kLegacyElems, Max, false>(x, w, kCandidates);
          I levels[kLegacyElems];
          grid_search_levels<L, kLegacyElems, Max>(x, found, levels);
          store(f32_to_f16<L>(found.scale), f32_to_f16<L>(L::negate(found.offset)), levels, group);
        });
    return;
  }
  for_each_legacy_group<L>(tile, rows, cols, [&](const F* x, const BlockGroup<L>& group) {
    F low = x[0], high = x[0];
    for (std::size_t i = 1; i < kLegacyElems; ++i) {
      low = L::min(x[i], low);
      high = L::max(x[i], high);
    }
    const F d = (high - low) / F(static_cast<float>(Max));
    const F inverse = L::select(L::ne(d, F(0.0f)), F(1.0f) / d, F(0.0f));
    I levels[kLegacyElems];
    for (std::size_t i = 0; i < kLegacyElems; ++i) {
      // Infinities and NaN (a range or an inverse that overflows) become INT32_MIN, which packs as 0 as in
      // ggml.
      levels[i] = L::trunc_to_int((x[i] - low) * inverse + F(0.5f));
    }
    store(f32_to_f16<L>(d), f32_to_f16<L>(low), levels, group);
  });
}

}  // namespace qtz::quants
