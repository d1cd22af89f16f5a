// Q2_K: 256 elements in 84 bytes, in sixteen sub-blocks of 16. x ~ d * scale * q - dmin * offset with 2-bit
// levels q and 4-bit scales and offsets. Authority: ggml's block_q2_K, quantize_row_q2_K_ref and, with
// importance, quantize_q2_K.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quants/k_quant_common.h"
#include "quants/legacy_blocks.h"
#include "quants/positive_scale.h"
#include "quants/scale_search.h"

namespace qtz::quants::q2_k {

struct Block {
  std::uint8_t scales[16];  ///< of each sub-block: scale (low nibble), offset (high nibble)
  std::uint8_t qs[64];      ///< of each half of 128: byte l of 32 holds levels l + 32 {0, 1, 2, 3}
  std::uint16_t d;          ///< FP16 step of the scales
  std::uint16_t dmin;       ///< FP16 step of the offsets
};
static_assert(sizeof(Block) == 84);

inline constexpr std::size_t kSubs = 16;
inline constexpr std::size_t kSubElems = 16;
inline constexpr int kMaxLevel = 3;

/// The quantized fits: FP16 codes, and the sub-blocks' bytes.
template <class L>
struct Scales {
  typename L::I d, dmin;
  typename L::I bytes[kSubs];
};

/// Fits without importance: weights |x|, judged by the absolute error; scales and offsets spread evenly over
/// 0 .. 15.
template <class L>
[[gnu::always_inline]] inline Scales<L> fit_plain(const typename L::F* x, GridScale<L>* fits) {
  using F = typename L::F;
  using I = typename L::I;
  constexpr GridCandidates kCandidates{-0.5f, 0.1f, 16};
  const F zero(0.0f), steps(15.0f);
  F top_scale = zero, top_offset = zero;
  for (std::size_t sub = 0; sub < kSubs; ++sub) {
    const F* part = x + kSubElems * sub;
    F w[kSubElems];
    for (std::size_t i = 0; i < kSubElems; ++i) w[i] = L::abs(part[i]);
    fits[sub] = search_grid_scale<L, kSubElems, kMaxLevel, true>(part, w, kCandidates);
    top_scale = L::max(fits[sub].scale, top_scale);
    top_offset = L::max(fits[sub].offset, top_offset);
  }
  const auto scaled = L::gt(top_scale, zero), shifted = L::gt(top_offset, zero);
  const F inverse_scale = steps / top_scale, inverse_offset = steps / top_offset;
  Scales<L> scales;
  for (std::size_t sub = 0; sub < kSubs; ++sub) {
    const I scale = L::round_to_int(inverse_scale * fits[sub].scale) & I(0xFF);
    const I offset = L::shl(L::round_to_int(inverse_offset * fits[sub].offset), 4) & I(0xFF);
    scales.bytes[sub] = L::select(scaled, scale, I(0)) | L::select(shifted, offset, I(0));
  }
  scales.d = f32_to_f16<L>(L::select(scaled, top_scale / steps, zero));
  scales.dmin = f32_to_f16<L>(L::select(shifted, top_offset / steps, zero));
  return scales;
}

/// Fits with weights importance * sqrt(mean square + x^2); scales and offsets are then searched too.
template <class L>
[[gnu::always_inline]] inline Scales<L> fit_weighted(const typename L::F* x, const typename L::F* importance,
                                                     GridScale<L>* fits) {
  using F = typename L::F;
  using I = typename L::I;
  constexpr GridCandidates kCandidates{-0.9f, 0.05f, 37};
  const F lift = sum_of_squares<L, kSuperElems>(x) / F(256.0f);
  F scale[kSubs], offset[kSubs], weight[kSubs];
  for (std::size_t sub = 0; sub < kSubs; ++sub) {
    const std::size_t first = kSubElems * sub;
    F w[kSubElems];
    weight[sub] = importance_weights<L, kSubElems>(x + first, importance + first, lift, w);
    fits[sub] = search_grid_scale<L, kSubElems, kMaxLevel, false>(x + first, w, kCandidates);
    scale[sub] = fits[sub].scale;
    offset[sub] = fits[sub].offset;
  }
  const PositiveScale<L, kSubs> scale_levels = search_positive_scale<L, kSubs, 15>(scale, weight);
  const PositiveScale<L, kSubs> offset_levels = search_positive_scale<L, kSubs, 15>(offset, weight);
  Scales<L> scales;
  for (std::size_t sub = 0; sub < kSubs; ++sub) {
    scales.bytes[sub] = (scale_levels.levels[sub] | L::shl(offset_levels.levels[sub], 4)) & I(0xFF);
  }
  scales.d = f32_to_f16<L>(scale_levels.scale);
  scales.dmin = f32_to_f16<L>(offset_levels.scale);
  return scales;
}

/// Levels for the rounded scales and offsets.
template <class L>
[[gnu::always_inline]] inline void round_levels(const typename L::F* x, const GridScale<L>* fits,
                                                const Scales<L>& scales, typename L::I* quads) {
  using I = typename L::I;
  const auto d = read_back<L>(scales.d), dmin = read_back<L>(scales.dmin);
  for (std::size_t sub = 0; sub < kSubs; ++sub) {
    const auto* part = x + kSubElems * sub;
    const auto scale = d * L::to_float(scales.bytes[sub] & I(15));
    const auto offset = dmin * L::to_float(L::shr(scales.bytes[sub], 4));
    requantize_above_minimum<L, kSubElems, kMaxLevel>(
        part, scale, offset, quads + kSubElems / 4 * sub, [&](I* searched) {
          I found[kSubElems];
          grid_search_levels<L, kSubElems, kMaxLevel>(part, fits[sub], found);
          pack_quads<L, kSubElems>(found, searched);
        });
  }
}

template <class L>
void encode(const float* tile, const float* importance, std::uint64_t rows, std::uint64_t cols,
            std::byte* out) noexcept {
  using F = typename L::F;
  using I = typename L::I;
  for_each_super_block_group<L>(
      tile, importance, rows, cols, [&](const F* x, const F* weights, const BlockGroup<L>& group) {
        GridScale<L> fits[kSubs];
        const Scales<L> scales =
            weights == nullptr ? fit_plain<L>(x, fits) : fit_weighted<L>(x, weights, fits);
        I quads[kQuads];
        round_levels<L>(x, fits, scales, quads);
        I words[word_capacity<L, sizeof(Block)>()] = {};
        pack_quads<L, kSubs>(scales.bytes, words);
        pack_bit_pairs<L>(quads, 0, words + 4);
        words[20] = scales.d | L::shl(scales.dmin, 16);
        store_blocks<L, sizeof(Block)>(words, group, out);
      });
}

template <class L>
void decode(const std::byte* in, float* x, std::uint64_t elems) noexcept {
  using F = typename L::F;
  using I = typename L::I;
  for (std::uint64_t block = 0; block < elems / kSuperElems; ++block, in += sizeof(Block)) {
    const float d = read_f16(in + offsetof(Block, d)), dmin = read_f16(in + offsetof(Block, dmin));
    for (std::size_t sub = 0; sub < kSubs; ++sub, x += kSubElems) {
      const int byte = std::to_integer<int>(in[sub]);
      const F scale(d * static_cast<float>(byte & 15)), offset(dmin * static_cast<float>(byte >> 4));
      const std::byte* qs = in + offsetof(Block, qs) + 32 * (sub / 8) + sub % 2 * kSubElems;
      for (std::size_t i = 0; i < kSubElems; i += L::width) {
        const I level = L::shr(L::load_u8(qs + i), 2 * static_cast<int>(sub / 2 % 4)) & I(3);
        L::store(x + i, scale * L::to_float(level) - offset);
      }
    }
  }
}

}  // namespace qtz::quants::q2_k
