// Q4_K and Q5_K are one text: eight sub-blocks of 32 elements, each with a scale and an offset of six bits,
// which two FP16 numbers turn into x ~ d * scale * q - dmin * offset. The phases: fit every sub-block,
// quantize the fits, quantize the elements again with the rounded fits, emit.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quants/k_quant_common.h"
#include "quants/positive_scale.h"
#include "quants/scale_search.h"

namespace qtz::quants {

inline constexpr std::size_t kPairs = 8;
inline constexpr std::size_t kPairElems = 32;

/// What identifies a type of this family.
struct PairTypeSpec {
  int max_level;
  GridCandidates plain;  ///< candidates without importance
  bool cap_weighted;     ///< with importance: levels of scales are capped at 63 before they are packed
};

/// The quantized fits: FP16 codes, and the packed 12 bytes as three words (bytes 0-3: low six bits of scales
/// 0-3, topped by the high two of scales 4-7; bytes 4-7 the same of offsets; bytes 8-11: low nibbles of scale
/// and offset 4-7).
template <class L>
struct PackedPairs {
  typename L::I d, dmin;
  typename L::I words[3];
};

/// Levels of scales and offsets as bytes, before packing.
template <class L>
struct PairLevels {
  typename L::I scale[kPairs], offset[kPairs];
};

/// Fits each sub-block with weights rms + |x|; scales and offsets are then spread evenly over 0 .. 63.
template <class L, PairTypeSpec Spec>
[[gnu::always_inline]] inline PairLevels<L> fit_plain_pairs(const typename L::F* x, GridScale<L>* fits,
                                                            PackedPairs<L>& packed) {
  using F = typename L::F;
  using I = typename L::I;
  const F zero(0.0f), steps(63.0f);
  F top_scale = zero, top_offset = zero;
  for (std::size_t sub = 0; sub < kPairs; ++sub) {
    const F* part = x + kPairElems * sub;
    const F rms = L::sqrt(sum_of_squares<L, kPairElems>(part) / F(32.0f));
    F w[kPairElems];
    for (std::size_t i = 0; i < kPairElems; ++i) w[i] = rms + L::abs(part[i]);
    fits[sub] = search_grid_scale<L, kPairElems, Spec.max_level, false>(part, w, Spec.plain);
    top_scale = L::max(fits[sub].scale, top_scale);
    top_offset = L::max(fits[sub].offset, top_offset);
  }
  const F inverse_scale = L::select(L::gt(top_scale, zero), steps / top_scale, zero);
  const F inverse_offset = L::select(L::gt(top_offset, zero), steps / top_offset, zero);
  const auto level_of = [](F value) { return L::min(L::round_to_int(value) & I(0xFF), I(63)); };
  PairLevels<L> levels;
  for (std::size_t sub = 0; sub < kPairs; ++sub) {
    levels.scale[sub] = level_of(inverse_scale * fits[sub].scale);
    levels.offset[sub] = level_of(inverse_offset * fits[sub].offset);
  }
  packed.d = f32_to_f16<L>(top_scale / steps);
  packed.dmin = f32_to_f16<L>(top_offset / steps);
  return levels;
}

/// Fits each sub-block with weights importance * sqrt(2 mean square + x^2); scales and offsets are then
/// searched too.
template <class L, PairTypeSpec Spec>
[[gnu::always_inline]] inline PairLevels<L> fit_weighted_pairs(const typename L::F* x,
                                                               const typename L::F* importance,
                                                               GridScale<L>* fits, PackedPairs<L>& packed) {
  using F = typename L::F;
  constexpr GridCandidates kCandidates{-0.9f, 0.05f, 37};
  const F lift = F(2.0f) * sum_of_squares<L, kSuperElems>(x) / F(256.0f);
  F scales[kPairs], offsets[kPairs], weights[kPairs];
  for (std::size_t sub = 0; sub < kPairs; ++sub) {
    const std::size_t first = kPairElems * sub;
    F w[kPairElems];
    weights[sub] = importance_weights<L, kPairElems>(x + first, importance + first, lift, w);
    fits[sub] = search_grid_scale<L, kPairElems, Spec.max_level, false>(x + first, w, kCandidates);
    scales[sub] = fits[sub].scale;
    offsets[sub] = fits[sub].offset;
  }
  const PositiveScale<L, kPairs> scale = search_positive_scale<L, kPairs, 63>(scales, weights);
  const PositiveScale<L, kPairs> offset = search_positive_scale<L, kPairs, 63>(offsets, weights);
  PairLevels<L> levels;
  for (std::size_t sub = 0; sub < kPairs; ++sub) {
    levels.scale[sub] = scale.levels[sub];
    levels.offset[sub] = offset.levels[sub];
    if constexpr (Spec.cap_weighted) {
      levels.scale[sub] = L::min(levels.scale[sub], typename L::I(63));
      levels.offset[sub] = L::min(levels.offset[sub], typename L::I(63));
    }
  }
  packed.d = f32_to_f16<L>(scale.scale);
  packed.dmin = f32_to_f16<L>(offset.scale);
  return levels;
}

/// Packs the levels and returns them as a reader will see them: a byte above 63 runs into the neighbouring
/// field.
template <class L>
[[gnu::always_inline]] inline PairLevels<L> pack_pairs(const PairLevels<L>& levels, PackedPairs<L>& packed) {
  using I = typename L::I;
  PairLevels<L> seen;
  I bytes[12];
  for (int i = 0; i < 4; ++i) {
    bytes[i] = levels.scale[i] | (L::shl(levels.scale[i + 4], 2) & I(0xC0));
    bytes[i + 4] = levels.offset[i] | (L::shl(levels.offset[i + 4], 2) & I(0xC0));
    bytes[i + 8] = (levels.scale[i + 4] & I(15)) | L::shl(levels.offset[i + 4] & I(15), 4);
    seen.scale[i] = bytes[i] & I(63);
    seen.offset[i] = bytes[i + 4] & I(63);
    seen.scale[i + 4] = (bytes[i + 8] & I(15)) | (L::shr(bytes[i], 2) & I(0x30));
    seen.offset[i + 4] = L::shr(bytes[i + 8], 4) | (L::shr(bytes[i + 4], 2) & I(0x30));
  }
  for (int k = 0; k < 3; ++k) {
    packed.words[k] = pack_bytes<L>(bytes[4 * k], bytes[4 * k + 1], bytes[4 * k + 2], bytes[4 * k + 3]);
  }
  return seen;
}

/// Encodes one super-block per lane into its packed pairs and 64 quads of levels. `importance` may be null.
template <class L, PairTypeSpec Spec>
[[gnu::always_inline]] inline PackedPairs<L> encode_pairs(const typename L::F* x,
                                                          const typename L::F* importance,
                                                          typename L::I* quads) {
  using F = typename L::F;
  using I = typename L::I;
  GridScale<L> fits[kPairs];
  PackedPairs<L> packed;
  const PairLevels<L> levels = importance == nullptr
                                   ? fit_plain_pairs<L, Spec>(x, fits, packed)
                                   : fit_weighted_pairs<L, Spec>(x, importance, fits, packed);
  const PairLevels<L> seen = pack_pairs<L>(levels, packed);
  const F d = read_back<L>(packed.d), dmin = read_back<L>(packed.dmin);
  for (std::size_t sub = 0; sub < kPairs; ++sub) {
    const F* part = x + kPairElems * sub;
    requantize_above_minimum<L, kPairElems, Spec.max_level>(
        part, d * L::to_float(seen.scale[sub]), dmin * L::to_float(seen.offset[sub]),
        quads + kPartQuads * sub, [&](I* searched) {
          I found[kPairElems];
          grid_search_levels<L, kPairElems, Spec.max_level>(part, fits[sub], found);
          pack_quads<L, kPairElems>(found, searched);
        });
  }
  return packed;
}

/// Scale and offset of sub-block `sub` from a stored block's 12 bytes.
struct Pair {
  int scale, offset;
};
inline Pair unpack_pair(const std::byte* bytes, std::size_t sub) {
  const auto at = [&](std::size_t i) { return std::to_integer<int>(bytes[i]); };
  if (sub < 4) return {at(sub) & 63, at(sub + 4) & 63};
  return {(at(sub + 4) & 15) | ((at(sub - 4) >> 6) << 4), (at(sub + 4) >> 4) | ((at(sub) >> 6) << 4)};
}

}  // namespace qtz::quants
