// What the K-quants (and IQ4_XS) have in common: super-blocks of 256 elements, one per lane; the second
// quantization of each sub-block, once its scale has been rounded; and levels carried as quads, four
// consecutive levels to a word, from which every type's byte layout is a few shifts away. Authority: ggml's
// quantize_row_q{2,3,4,5,6}_K_ref and quantize_row_q{2,3,4,5,6}_K_impl.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "quants/bit_packing.h"
#include "quants/block_io.h"
#include "quants/half_lane.h"
#include "quants/lane.h"

namespace qtz::quants {

inline constexpr std::size_t kSuperElems = 256;
inline constexpr std::size_t kQuads = kSuperElems / 4;

/// Calls body(x, importance, group) for every group of super-blocks: x[i] is element i of each lane's
/// super-block, and importance[i] its weight, or `importance` is null.
template <class L, class Body>
[[gnu::always_inline]] inline void for_each_super_block_group(const float* tile, const float* importance,
                                                              std::uint64_t rows, std::uint64_t cols,
                                                              Body&& body) {
  const std::uint64_t blocks_per_row = cols / kSuperElems;
  for_each_group<L>(rows * blocks_per_row, [&](const BlockGroup<L>& group) {
    typename L::F x[kSuperElems];
    load_blocks<L, kSuperElems>(tile, group, x);
    if (importance == nullptr) {
      body(x, static_cast<const typename L::F*>(nullptr), group);
    } else {
      typename L::F weights[kSuperElems];
      load_importance<L, kSuperElems>(importance, blocks_per_row, group, weights);
      body(x, weights, group);
    }
  });
}

/// Sum of N squares in order.
template <class L, std::size_t N>
[[gnu::always_inline]] inline typename L::F sum_of_squares(const typename L::F* x) {
  typename L::F sum(0.0f);
  for (std::size_t i = 0; i < N; ++i) sum = sum + x[i] * x[i];
  return sum;
}

/// w[i] = importance[i] * sqrt(lift + x[i]^2) for N elements; returns their sum in order, starting from zero.
template <class L, std::size_t N>
[[gnu::always_inline]] inline typename L::F importance_weights(const typename L::F* x,
                                                               const typename L::F* importance,
                                                               typename L::F lift, typename L::F* w) {
  typename L::F sum(0.0f);
  for (std::size_t i = 0; i < N; ++i) {
    w[i] = importance[i] * L::sqrt(lift + x[i] * x[i]);
    sum = sum + w[i];
  }
  return sum;
}

/// The value as it will be read back from an FP16 field.
template <class L>
[[gnu::always_inline]] inline typename L::F read_back(typename L::I f16_code) {
  return f16_to_f32<L>(f16_code);
}

/// Four levels to a word, the first in the lowest byte.
template <class L, std::size_t N>
[[gnu::always_inline]] inline void pack_quads(const typename L::I* levels, typename L::I* quads) {
  for (std::size_t i = 0; i < N / 4; ++i) {
    quads[i] = pack_bytes<L>(levels[4 * i], levels[4 * i + 1], levels[4 * i + 2], levels[4 * i + 3]);
  }
}

/// round(x) clamped to low .. high, with nearest_int's results beyond 2^22 and for NaN.
template <class L>
[[gnu::always_inline]] inline typename L::I clamped_level(typename L::F x, int low, int high) {
  using I = typename L::I;
  return L::min(L::max(L::round_to_int(x), I(low)), I(high));
}

/// Quads of clamped_level(x[i] / divisor, -Below, Max - Below) + Below for N numerators.
///
/// Products with the reciprocal, which are much cheaper than quotients and differ from them by less than
/// 2^-22 of their size. Below 64 that is less than 0.00002, so one that is further than that from a half
/// rounds as the quotient does; from there to 2^20 both are clamped. The distance is taken from a product
/// that is larger by 2^-20 of its size: below 64 that makes 0.00006 more, and from 2^20 on, where nearest_int
/// goes its own ways, it is never near. Infinities and NaN are not near either. What is not proven is
/// divided. Clamping is left to the packing, which ends at 0 and at 255, and to one minimum for four bytes.
template <class L, std::size_t N, int Below, int Max>
[[gnu::always_inline]] inline void quotient_quads(const typename L::F* x, typename L::F divisor,
                                                  typename L::I* quads) {
  static_assert(Below <= 63 && Max - Below <= 63);
  using F = typename L::F;
  using I = typename L::I;
  const F inverse = F(1.0f) / divisor;
  const F further = inverse * F(1.0f + 0x1p-20f);
  const I origin(std::bit_cast<std::int32_t>(kRoundingBias) - Below);
  auto proven = L::eq(F(0.0f), F(0.0f));
  const auto level = [&](std::size_t i) {
    const F biased = inverse * x[i] + F(kRoundingBias);
    proven = L::both(proven, L::lt(L::abs(further * x[i] - (biased - F(kRoundingBias))), F(0.4999f)));
    return L::bits(biased) - origin;
  };
  for (std::size_t i = 0; i < N; i += 4) {
    const I quad = L::pack_u8(level(i), level(i + 1), level(i + 2), level(i + 3));
    quads[i / 4] = L::min_u8(quad, I(Max * 0x01010101));
  }
  if (!L::all(proven)) [[unlikely]] {
    I levels[N];
    for (std::size_t i = 0; i < N; ++i) {
      levels[i] = clamped_level<L>(x[i] / divisor, -Below, Max - Below) + I(Below);
    }
    pack_quads<L, N>(levels, quads);
  }
}

/// In the lanes where the scale is 0, the quads of the search, `kept()`, instead of `quads`.
template <class L, std::size_t N, class Kept>
[[gnu::always_inline]] inline void keep_where_zero(typename L::F scale, typename L::I* quads, Kept&& kept) {
  const auto lost = L::eq(scale, typename L::F(0.0f));
  if (L::any(lost)) [[unlikely]] {
    typename L::I searched[N / 4];
    kept(searched);
    for (std::size_t i = 0; i < N / 4; ++i) quads[i] = L::select(lost, searched[i], quads[i]);
  }
}

/// Levels 0 .. Max of a sub-block of N elements whose scale and offset are now what a reader will see:
/// round((x + offset) / scale), as N / 4 quads. Lanes with scale 0 take `kept()`, the quads of the search.
template <class L, std::size_t N, int Max, class Kept>
[[gnu::always_inline]] inline void requantize_above_minimum(const typename L::F* x, typename L::F scale,
                                                            typename L::F offset, typename L::I* quads,
                                                            Kept&& kept) {
  typename L::F above[N];
  for (std::size_t i = 0; i < N; ++i) above[i] = x[i] + offset;
  quotient_quads<L, N, 0, Max>(above, scale, quads);
  keep_where_zero<L, N>(scale, quads, kept);
}

/// The same for symmetric levels: round(x / scale) in -Max .. Max - 1, stored with Max added.
template <class L, std::size_t N, int Max, class Kept>
[[gnu::always_inline]] inline void requantize_signed(const typename L::F* x, typename L::F scale,
                                                     typename L::I* quads, Kept&& kept) {
  quotient_quads<L, N, Max, 2 * Max - 1>(x, scale, quads);
  keep_where_zero<L, N>(scale, quads, kept);
}

/// 32 consecutive levels take 8 quads; part p of a super-block is elements 32 p .. 32 p + 31.
inline constexpr std::size_t kPartQuads = 8;

/// Bits `mask` (of each byte) of part `part`'s quad k.
template <class L>
[[gnu::always_inline]] inline typename L::I part_bits(const typename L::I* quads, std::size_t part,
                                                      std::size_t k, int mask) {
  return quads[kPartQuads * part + k] & typename L::I(mask * 0x01010101);
}

/// Byte l of 32 collects bit `bit` of the levels at l in all eight parts, part p at bit p: 8 words.
template <class L>
[[gnu::always_inline]] inline void pack_bit_plane(const typename L::I* quads, int bit, typename L::I* words) {
  for (std::size_t k = 0; k < kPartQuads; ++k) {
    typename L::I plane(0);
    for (int part = 0; part < 8; ++part) {
      plane =
          plane | L::shl(L::shr(part_bits<L>(quads, static_cast<std::size_t>(part), k, 1 << bit), bit), part);
    }
    words[k] = plane;
  }
}

/// Byte l of 32 collects the two bits above `low_bit` of the levels at l in four parts (one half of the
/// super-block), lowest part first: 2 x 8 words.
template <class L>
[[gnu::always_inline]] inline void pack_bit_pairs(const typename L::I* quads, int low_bit,
                                                  typename L::I* words) {
  for (std::size_t half = 0; half < 2; ++half) {
    for (std::size_t k = 0; k < kPartQuads; ++k) {
      typename L::I pairs(0);
      for (std::size_t part = 0; part < 4; ++part) {
        const typename L::I bits = part_bits<L>(quads, 4 * half + part, k, 3 << low_bit);
        pairs = pairs | L::shl(L::shr(bits, low_bit), 2 * static_cast<int>(part));
      }
      words[kPartQuads * half + k] = pairs;
    }
  }
}

}  // namespace qtz::quants
