// What the K-quants (and IQ4_XS) have in common: super-blocks of 256 elements, one per lane; the second
// quantization of each sub-block, once its scale has been rounded; and levels carried as quads, four
// consecutive levels to a word, from which every type's byte layout is a few shifts away. Authority: ggml's
// quantize_row_q{2,3,4,5,6}_K_ref and quantize_row_q{2,3,4,5,6}_K_impl.
#pragma once

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

/// round(x) clamped to low .. high, with nearest_int's results beyond 2^22 and for NaN.
template <class L>
[[gnu::always_inline]] inline typename L::I clamped_level(typename L::F x, int low, int high) {
  using I = typename L::I;
  return L::min(L::max(L::round_to_int(x), I(low)), I(high));
}

/// Levels 0 .. Max of a sub-block of N elements whose scale and offset are now what a reader will see:
/// round((x + offset) / scale), as N / 4 quads. Lanes with scale 0 take `kept()`, the quads of the search.
template <class L, std::size_t N, int Max, class Kept>
[[gnu::always_inline]] inline void requantize_above_minimum(const typename L::F* x, typename L::F scale,
                                                            typename L::F offset, typename L::I* quads,
                                                            Kept&& kept) {
  using F = typename L::F;
  for (std::size_t i = 0; i < N; i += 4) {
    typename L::I level[4];
    for (std::size_t k = 0; k < 4; ++k) level[k] = clamped_level<L>((x[i + k] + offset) / scale, 0, Max);
    quads[i / 4] = pack_bytes<L>(level[0], level[1], level[2], level[3]);
  }
  const auto lost = L::eq(scale, F(0.0f));
  if (L::any(lost)) [[unlikely]] {
    typename L::I searched[N / 4];
    kept(searched);
    for (std::size_t i = 0; i < N / 4; ++i) quads[i] = L::select(lost, searched[i], quads[i]);
  }
}

/// The same for symmetric levels: round(x / scale) in -Max .. Max - 1, stored with Max added.
template <class L, std::size_t N, int Max, class Kept>
[[gnu::always_inline]] inline void requantize_signed(const typename L::F* x, typename L::F scale,
                                                     typename L::I* quads, Kept&& kept) {
  using F = typename L::F;
  using I = typename L::I;
  for (std::size_t i = 0; i < N; i += 4) {
    I level[4];
    for (std::size_t k = 0; k < 4; ++k) level[k] = clamped_level<L>(x[i + k] / scale, -Max, Max - 1) + I(Max);
    quads[i / 4] = pack_bytes<L>(level[0], level[1], level[2], level[3]);
  }
  const auto lost = L::eq(scale, F(0.0f));
  if (L::any(lost)) [[unlikely]] {
    I searched[N / 4];
    kept(searched);
    for (std::size_t i = 0; i < N / 4; ++i) quads[i] = L::select(lost, searched[i], quads[i]);
  }
}

/// Four levels to a word, the first in the lowest byte.
template <class L, std::size_t N>
[[gnu::always_inline]] inline void pack_quads(const typename L::I* levels, typename L::I* quads) {
  for (std::size_t i = 0; i < N / 4; ++i) {
    quads[i] = pack_bytes<L>(levels[4 * i], levels[4 * i + 1], levels[4 * i + 2], levels[4 * i + 3]);
  }
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
