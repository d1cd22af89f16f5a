// Q3_K: 256 elements in 110 bytes, in sixteen sub-blocks of 16. x ~ d * (scale - 32) * (q - 4) with 3-bit
// levels q and 6-bit scales. Authority: ggml's block_q3_K, quantize_row_q3_K_ref and, with importance,
// quantize_q3_K.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "quants/k_quant_common.h"
#include "quants/legacy_blocks.h"
#include "quants/scale_search.h"
#include "quants/signed_descent.h"

namespace qtz::quants::q3_k {

struct Block {
  std::uint8_t hmask[32];  ///< bit s of byte l: third bit of the level at 32 s + l
  std::uint8_t
      qs[64];  ///< of each half of 128: byte l of 32 holds the low two bits of levels l + 32 {0, 1, 2, 3}
  std::uint8_t scales[12];  ///< bytes 0-7: low nibbles of scales j and j + 8; byte 8 + j: high bits of j + 4
                            ///< {0, 1, 2, 3}
  std::uint16_t d;          ///< FP16 step of the scales
};
static_assert(sizeof(Block) == 110);

inline constexpr std::size_t kSubs = 16;
inline constexpr std::size_t kSubElems = 16;
inline constexpr int kHalfRange = 4;

/// Sub-blocks of a group whose levels may have to move, a lane and a sub-block each.
template <class L>
struct Unsettled {
  std::size_t count = 0;
  std::uint16_t at[L::width * kSubs + 1];  ///< lane * kSubs + sub; one place more for what is not kept

  [[gnu::always_inline]] void add(typename L::M lanes, std::size_t live, std::size_t sub) {
    std::int32_t flags[L::width];
    L::store_i32(reinterpret_cast<std::byte*>(flags), L::select(lanes, typename L::I(1), typename L::I(0)));
    for (std::size_t lane = 0; lane < live; ++lane) {
      at[count] = static_cast<std::uint16_t>(lane * kSubs + sub);
      count += static_cast<std::size_t>(flags[lane]);
    }
  }
};

/// Descends in the sub-blocks that may have to move, a full set of lanes at a time, and corrects their
/// scales.
template <class L>
void descend_unsettled(const float* tile, const BlockGroup<L>& group, const Unsettled<L>& unsettled,
                       typename L::F* scales) {
  using F = typename L::F;
  for (std::size_t first = 0; first < unsettled.count; first += L::width) {
    const std::size_t live = std::min(unsettled.count - first, L::width);
    const float* rows[L::width];
    for (std::size_t k = 0; k < L::width; ++k) {
      const std::size_t at = unsettled.at[first + std::min(k, live - 1)];
      rows[k] = tile + (group.first + at / kSubs) * kSuperElems + at % kSubs * kSubElems;
    }
    F x[kSubElems];
    load_rows<L, kSubElems>(rows, x);
    const F found = descend_signed_scale<L, kSubElems, kHalfRange>(x).scale;
    for (std::size_t k = 0; k < live; ++k) {
      const std::size_t lane = unsettled.at[first + k] / kSubs, sub = unsettled.at[first + k] % kSubs;
      std::memcpy(reinterpret_cast<std::byte*>(scales + sub) + sizeof(float) * lane,
                  reinterpret_cast<const std::byte*>(&found) + sizeof(float) * k, sizeof(float));
    }
  }
}

/// Scales 0 .. 63, and d as an FP16 code.
template <class L>
struct Scales {
  typename L::I levels[kSubs];
  typename L::I d;
};

/// Fits without importance; the scale of largest magnitude becomes -32.
template <class L>
[[gnu::always_inline]] inline Scales<L> fit_plain(const float* tile, const BlockGroup<L>& group,
                                                  const typename L::F* x) {
  using F = typename L::F;
  using I = typename L::I;
  F fitted[kSubs];
  Unsettled<L> unsettled;
  for (std::size_t sub = 0; sub < kSubs; ++sub) {
    typename L::M moving;
    fitted[sub] = fit_full_range<L, kSubElems, kHalfRange>(x + kSubElems * sub, moving);
    unsettled.add(moving, group.live, sub);
  }
  descend_unsettled<L>(tile, group, unsettled, fitted);
  F extreme(0.0f), magnitude(0.0f);
  for (const F& scale : fitted) {
    extreme = L::select(L::gt(L::abs(scale), magnitude), scale, extreme);
    magnitude = L::max(L::abs(scale), magnitude);
  }
  const auto scaled = L::ne(extreme, F(0.0f));
  const F inverse = F(-32.0f) / extreme;
  Scales<L> scales;
  for (std::size_t sub = 0; sub < kSubs; ++sub) {
    const I byte = L::sar(L::shl(L::round_to_int(inverse * fitted[sub]), 24), 24);
    const I level = L::min(L::max(byte, I(-32)), I(31)) + I(32);
    scales.levels[sub] = L::select(scaled, level, I(0));
  }
  scales.d = L::select(scaled, f32_to_f16<L>(F(1.0f) / inverse), I(0));
  return scales;
}

/// The levels of the search without importance. (It is repeated: hardly ever is a scale rounded to 0, which
/// is when they are needed.)
template <class L>
void search_plain(const typename L::F* x, typename L::I* quads) {
  const SignedLevels<L, kSubElems> found = descend_signed_scale<L, kSubElems, kHalfRange>(x);
  typename L::I levels[kSubElems];
  for (std::size_t i = 0; i < kSubElems; ++i) {
    levels[i] = L::trunc_to_int(found.levels[i] + typename L::F(static_cast<float>(kHalfRange)));
  }
  pack_quads<L, kSubElems>(levels, quads);
}

/// Fits with weights importance * sqrt(2 mean square + x^2); the scales are then searched in the same way.
template <class L>
[[gnu::always_inline]] inline Scales<L> fit_weighted(const typename L::F* x, const typename L::F* importance,
                                                     SignedScale<L>* fits) {
  using F = typename L::F;
  const F lift = F(2.0f) * sum_of_squares<L, kSuperElems>(x) / F(256.0f);
  F scale[kSubs], weight[kSubs];
  for (std::size_t sub = 0; sub < kSubs; ++sub) {
    const std::size_t first = kSubElems * sub;
    F w[kSubElems];
    weight[sub] = importance_weights<L, kSubElems>(x + first, importance + first, lift, w);
    fits[sub] = search_signed_scale<L, kSubElems, kHalfRange>(x + first, w);
    scale[sub] = fits[sub].scale;
  }
  const SignedScale<L> found = search_signed_scale<L, kSubs, 32, SearchInput::any>(scale, weight);
  Scales<L> scales;
  signed_levels<L, kSubs, 32, SearchInput::any>(scale, found, scales.levels);
  scales.d = f32_to_f16<L>(found.scale);
  return scales;
}

/// The levels of the search with importance.
template <class L>
void search_weighted(const typename L::F* x, const SignedScale<L>& fit, typename L::I* quads) {
  typename L::I levels[kSubElems];
  signed_levels<L, kSubElems, kHalfRange>(x, fit, levels);
  pack_quads<L, kSubElems>(levels, quads);
}

/// Levels for the rounded scales; search(x, sub, quads) gives those of the search, for scales of 0.
template <class L, class Search>
[[gnu::always_inline]] inline void round_levels(const typename L::F* x, const Scales<L>& scales,
                                                typename L::I* quads, const Search& search) {
  using I = typename L::I;
  const auto d = read_back<L>(scales.d);
  for (std::size_t sub = 0; sub < kSubs; ++sub) {
    const auto* part = x + kSubElems * sub;
    requantize_signed<L, kSubElems, kHalfRange>(part, d * L::to_float(scales.levels[sub] - I(32)),
                                                quads + kSubElems / 4 * sub,
                                                [&](I* searched) { search(part, sub, searched); });
  }
}

/// The twelve bytes of scales as three words.
template <class L>
[[gnu::always_inline]] inline void pack_scales(const typename L::I* levels, typename L::I* words) {
  using I = typename L::I;
  I bytes[12];
  for (std::size_t j = 0; j < 8; ++j) bytes[j] = (levels[j] & I(15)) | L::shl(levels[j + 8] & I(15), 4);
  for (std::size_t j = 0; j < 4; ++j) {
    bytes[8 + j] = L::shr(levels[j], 4) | L::shl(L::shr(levels[j + 4], 4), 2) |
                   L::shl(L::shr(levels[j + 8], 4), 4) | L::shl(L::shr(levels[j + 12], 4), 6);
  }
  pack_quads<L, 12>(bytes, words);
}

template <class L>
void encode(const float* tile, const float* importance, std::uint64_t rows, std::uint64_t cols,
            std::byte* out) noexcept {
  using F = typename L::F;
  using I = typename L::I;
  for_each_super_block_group<L>(
      tile, importance, rows, cols, [&](const F* x, const F* weights, const BlockGroup<L>& group) {
        Scales<L> scales;
        I quads[kQuads];
        if (weights == nullptr) {
          scales = fit_plain<L>(tile, group, x);
          round_levels<L>(x, scales, quads,
                          [](const F* part, std::size_t, I* searched) { search_plain<L>(part, searched); });
        } else {
          SignedScale<L> fits[kSubs];
          scales = fit_weighted<L>(x, weights, fits);
          round_levels<L>(x, scales, quads, [&](const F* part, std::size_t sub, I* searched) {
            search_weighted<L>(part, fits[sub], searched);
          });
        }
        I words[word_capacity<L, sizeof(Block)>()] = {};
        pack_bit_plane<L>(quads, 2, words);
        pack_bit_pairs<L>(quads, 0, words + 8);
        pack_scales<L>(scales.levels, words + 24);
        words[27] = scales.d;
        store_blocks<L, sizeof(Block)>(words, group, out);
      });
}

template <class L>
void decode(const std::byte* in, float* x, std::uint64_t elems) noexcept {
  using F = typename L::F;
  using I = typename L::I;
  for (std::uint64_t block = 0; block < elems / kSuperElems; ++block, in += sizeof(Block)) {
    const float d = read_f16(in + offsetof(Block, d));
    const std::byte* packed = in + offsetof(Block, scales);
    for (std::size_t sub = 0; sub < kSubs; ++sub, x += kSubElems) {
      const int low = std::to_integer<int>(packed[sub % 8]) >> (sub < 8 ? 0 : 4);
      const int high = std::to_integer<int>(packed[8 + sub % 4]) >> (2 * (sub / 4));
      const F step(d * static_cast<float>(((low & 15) | ((high & 3) << 4)) - 32));
      const std::size_t within = sub % 2 * kSubElems;
      const std::byte* qs = in + offsetof(Block, qs) + 32 * (sub / 8) + within;
      const std::byte* hmask = in + offsetof(Block, hmask) + within;
      for (std::size_t i = 0; i < kSubElems; i += L::width) {
        const I low_bits = L::shr(L::load_u8(qs + i), 2 * static_cast<int>(sub / 2 % 4)) & I(3);
        const I high_bit = L::shr(L::load_u8(hmask + i), static_cast<int>(sub / 2)) & I(1);
        L::store(x + i, step * L::to_float((low_bits | L::shl(high_bit, 2)) - I(kHalfRange)));
      }
    }
  }
}

}  // namespace qtz::quants::q3_k
