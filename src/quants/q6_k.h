// Q6_K: 256 elements in 210 bytes, in sixteen sub-blocks of 16. x ~ d * scale * (q - 32) with 6-bit levels q
// and 8-bit scales. Authority: ggml's block_q6_K, quantize_row_q6_K_ref and, with importance, quantize_q6_K,
// which weighs elements by their importance alone.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quants/k_quant_common.h"
#include "quants/legacy_blocks.h"
#include "quants/scale_search.h"

namespace qtz::quants::q6_k {

struct Block {
  std::uint8_t ql[128];  ///< of each half of 128: byte l of 64 holds the low nibbles of levels l and l + 64
  std::uint8_t qh[64];  ///< of each half: byte l of 32 holds the upper two bits of levels l + 32 {0, 1, 2, 3}
  std::int8_t scales[16];
  std::uint16_t d;  ///< FP16 step of the scales
};
static_assert(sizeof(Block) == 210);

inline constexpr std::size_t kSubs = 16;
inline constexpr std::size_t kSubElems = 16;
inline constexpr int kHalfRange = 32;

/// The scales rounded to int8 multiples of d. `blank` lanes hold nothing worth a scale: their block is all
/// zero bytes.
template <class L>
struct Scales {
  typename L::I levels[kSubs];
  typename L::I d;
  typename L::M blank;
};

/// Phase 1: the best scale of every sub-block.
template <class L>
[[gnu::always_inline]] inline void fit_sub_blocks(const typename L::F* x, const typename L::F* importance,
                                                  SignedScale<L>* fits) {
  using F = typename L::F;
  for (std::size_t sub = 0; sub < kSubs; ++sub) {
    const F* part = x + kSubElems * sub;
    if (importance != nullptr) {
      fits[sub] = search_signed_scale<L, kSubElems, kHalfRange>(part, importance + kSubElems * sub);
    } else {
      F w[kSubElems];
      for (std::size_t i = 0; i < kSubElems; ++i) w[i] = part[i] * part[i];
      fits[sub] = search_signed_scale<L, kSubElems, kHalfRange>(part, w);
    }
  }
}

/// Phase 2: the scale of largest magnitude becomes -128.
template <class L>
[[gnu::always_inline]] inline Scales<L> round_scales(const SignedScale<L>* fits) {
  using F = typename L::F;
  using I = typename L::I;
  F extreme(0.0f), magnitude(0.0f);
  for (std::size_t sub = 0; sub < kSubs; ++sub) {
    const F size = L::abs(fits[sub].scale);
    extreme = L::select(L::gt(size, magnitude), fits[sub].scale, extreme);
    magnitude = L::max(size, magnitude);
  }
  Scales<L> scales;
  scales.blank = L::lt(magnitude, F(kZeroBlock));
  const F inverse = F(-128.0f) / extreme;
  scales.d = f32_to_f16<L>(F(1.0f) / inverse);
  for (std::size_t sub = 0; sub < kSubs; ++sub) {
    const I level = L::min(L::round_to_int(inverse * fits[sub].scale), I(127));
    scales.levels[sub] = L::sar(L::shl(level, 24), 24);
  }
  return scales;
}

/// Phase 3: levels for the rounded scales.
template <class L>
[[gnu::always_inline]] inline void round_levels(const typename L::F* x, const SignedScale<L>* fits,
                                                const Scales<L>& scales, typename L::I* quads) {
  using I = typename L::I;
  const auto d = read_back<L>(scales.d);
  for (std::size_t sub = 0; sub < kSubs; ++sub) {
    const auto* part = x + kSubElems * sub;
    requantize_signed<L, kSubElems, kHalfRange>(
        part, d * L::to_float(scales.levels[sub]), quads + kSubElems / 4 * sub, [&](I* searched) {
          I found[kSubElems];
          signed_levels<L, kSubElems, kHalfRange>(part, fits[sub], found);
          pack_quads<L, kSubElems>(found, searched);
        });
  }
}

/// Phase 4: the block's words.
template <class L>
[[gnu::always_inline]] inline void emit(const Scales<L>& scales, const typename L::I* quads,
                                        typename L::I* words) {
  using I = typename L::I;
  for (std::size_t half = 0; half < 2; ++half) {
    for (std::size_t part = 4 * half; part < 4 * half + 2; ++part) {
      for (std::size_t k = 0; k < kPartQuads; ++k) {
        const I high = L::shl(part_bits<L>(quads, part + 2, k, 15), 4);
        *words++ = part_bits<L>(quads, part, k, 15) | high;
      }
    }
  }
  pack_bit_pairs<L>(quads, 4, words);
  words += 2 * kPartQuads;
  for (std::size_t sub = 0; sub < kSubs; sub += 4) {
    const I* level = scales.levels + sub;
    *words++ = pack_bytes<L>(level[0] & I(0xFF), level[1] & I(0xFF), level[2] & I(0xFF), level[3]);
  }
  *words = scales.d;
}

template <class L>
void encode(const float* tile, const float* importance, std::uint64_t rows, std::uint64_t cols,
            std::byte* out) noexcept {
  using F = typename L::F;
  using I = typename L::I;
  for_each_super_block_group<L>(tile, importance, rows, cols,
                                [&](const F* x, const F* weights, const BlockGroup<L>& group) {
                                  SignedScale<L> fits[kSubs];
                                  fit_sub_blocks<L>(x, weights, fits);
                                  const Scales<L> scales = round_scales<L>(fits);
                                  I quads[kQuads];
                                  round_levels<L>(x, fits, scales, quads);
                                  I words[word_capacity<L, sizeof(Block)>()] = {};
                                  emit<L>(scales, quads, words);
                                  if (L::any(scales.blank)) [[unlikely]] {
                                    for (I& word : words) word = L::select(scales.blank, I(0), word);
                                  }
                                  store_blocks<L, sizeof(Block)>(words, group, out);
                                });
}

template <class L>
void decode(const std::byte* in, float* x, std::uint64_t elems) noexcept {
  using F = typename L::F;
  using I = typename L::I;
  for (std::uint64_t block = 0; block < elems / kSuperElems; ++block, in += sizeof(Block)) {
    const float d = read_f16(in + offsetof(Block, d));
    for (std::size_t sub = 0; sub < kSubs; ++sub, x += kSubElems) {
      const int part = static_cast<int>(sub / 2 % 4);
      const std::size_t half = sub / 8, within = sub % 2 * kSubElems;
      const auto scale = static_cast<std::int8_t>(std::to_integer<int>(in[offsetof(Block, scales) + sub]));
      const F step(d * static_cast<float>(scale));
      const std::byte* ql =
          in + offsetof(Block, ql) + 64 * half + 32 * static_cast<std::size_t>(part % 2) + within;
      const std::byte* qh = in + offsetof(Block, qh) + 32 * half + within;
      for (std::size_t i = 0; i < kSubElems; i += L::width) {
        const I low = L::shr(L::load_u8(ql + i), part / 2 * 4) & I(15);
        const I high = L::shr(L::load_u8(qh + i), 2 * part) & I(3);
        L::store(x + i, step * L::to_float((low | L::shl(high, 4)) - I(kHalfRange)));
      }
    }
  }
}

}  // namespace qtz::quants::q6_k
