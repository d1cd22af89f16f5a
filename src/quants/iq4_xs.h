// IQ4_XS: 256 elements in 136 bytes, in eight sub-blocks of 32. x ~ d * (scale - 32) * level[q] with IQ4_NL's
// levels and 6-bit scales. Authority: ggml's block_iq4_xs and quantize_iq4_xs.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quants/iq4_levels.h"
#include "quants/k_quant_common.h"
#include "quants/legacy_blocks.h"

namespace qtz::quants::iq4_xs {

struct Block {
  std::uint16_t d;           ///< FP16 step of the scales
  std::uint16_t scales_h;    ///< upper two bits of each scale
  std::uint8_t scales_l[4];  ///< low nibbles of the scales
  std::uint8_t qs[128];  ///< of each sub-block: indices of elements i (low nibble) and i + 16 (high nibble)
};
static_assert(sizeof(Block) == 136);

inline constexpr std::size_t kSubs = 8;

/// Phase 1: the best scale of every sub-block, weighted by x^2 or by importance * sqrt(2 mean square + x^2).
template <class L>
[[gnu::always_inline]] inline void fit_sub_blocks(const typename L::F* x, const typename L::F* importance,
                                                  typename L::F* scales) {
  using F = typename L::F;
  const F lift = sum_of_squares<L, kSuperElems>(x) * F(2.0f / 256);
  for (std::size_t sub = 0; sub < kSubs; ++sub) {
    const F* part = x + kIq4Elems * sub;
    F w[kIq4Elems];
    if (importance != nullptr) {
      importance_weights<L, kIq4Elems>(part, importance + kIq4Elems * sub, lift, w);
    } else {
      for (std::size_t i = 0; i < kIq4Elems; ++i) w[i] = part[i] * part[i];
    }
    scales[sub] = search_iq4_scale<L>(part, w);
  }
}

/// Phases 2 and 3: the scale of largest magnitude becomes -32, the others multiples of it; the elements take
/// their levels for the multiples of d before it is rounded to FP16, as ggml does it. Writes the block's
/// words.
template <class L>
[[gnu::always_inline]] inline void quantize(const typename L::F* x, const typename L::F* scales,
                                            typename L::I* words) {
  using F = typename L::F;
  using I = typename L::I;
  F extreme(0.0f), magnitude(0.0f);
  for (std::size_t sub = 0; sub < kSubs; ++sub) {
    const F size = L::abs(scales[sub]);
    extreme = L::select(L::gt(size, magnitude), scales[sub], extreme);
    magnitude = L::max(size, magnitude);
  }
  const F d = L::negate(extreme) / F(32.0f);
  const F inverse = inverse_or_zero<L>(d);
  I high(0), low(0);
  for (std::size_t sub = 0; sub < kSubs; ++sub) {
    const I level = clamped_level<L>(inverse * scales[sub], -32, 31);
    pack_iq4_indices<L>(x + kIq4Elems * sub, inverse_or_zero<L>(d * L::to_float(level)), words + 2 + 4 * sub);
    const I stored = level + I(32);
    low = low | L::shl(stored & I(15), 4 * static_cast<int>(sub));
    high = high | L::shl(L::shr(stored, 4), 2 * static_cast<int>(sub));
  }
  words[0] = f32_to_f16<L>(d) | L::shl(high, 16);
  words[1] = low;
}

template <class L>
void encode(const float* tile, const float* importance, std::uint64_t rows, std::uint64_t cols,
            std::byte* out) noexcept {
  using F = typename L::F;
  using I = typename L::I;
  for_each_super_block_group<L>(tile, importance, rows, cols,
                                [&](const F* x, const F* weights, const BlockGroup<L>& group) {
                                  F scales[kSubs];
                                  fit_sub_blocks<L>(x, weights, scales);
                                  I words[word_capacity<L, sizeof(Block)>()] = {};
                                  quantize<L>(x, scales, words);
                                  store_blocks<L, sizeof(Block)>(words, group, out);
                                });
}

template <class L>
void decode(const std::byte* in, float* x, std::uint64_t elems) noexcept {
  using F = typename L::F;
  for (std::uint64_t block = 0; block < elems / kSuperElems; ++block, in += sizeof(Block)) {
    const float d = read_f16(in + offsetof(Block, d));
    const int high = ScalarLane::load_u16(in + offsetof(Block, scales_h));
    for (std::size_t sub = 0; sub < kSubs; ++sub, x += kIq4Elems) {
      const int nibbles = std::to_integer<int>(in[offsetof(Block, scales_l) + sub / 2]);
      const int low = (nibbles >> (sub % 2 * 4)) & 15;
      const int scale = (low | (((high >> (2 * sub)) & 3) << 4)) - 32;
      unpack_iq4_levels<L>(in + offsetof(Block, qs) + 16 * sub, F(d * static_cast<float>(scale)), x);
    }
  }
}

}  // namespace qtz::quants::iq4_xs
