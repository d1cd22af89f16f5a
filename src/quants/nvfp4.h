// NVFP4: 64 elements in 36 bytes, in four sub-blocks of 16. x ~ scale / 2 * level[q] with the doubled E2M1
// levels and an unsigned E4M3 scale near max |x| / 6. Authority: ggml's block_nvfp4, ggml_fp32_to_ue4m3,
// ggml_ue4m3_to_fp32 and quantize_row_nvfp4_ref; importance is not used, and there is no scale for the whole
// tensor.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quants/bit_packing.h"
#include "quants/block_io.h"
#include "quants/fp4_levels.h"

namespace qtz::quants::nvfp4 {

inline constexpr std::size_t kElems = 64;
inline constexpr std::size_t kSubs = 4;
inline constexpr std::size_t kSubElems = 16;

struct Block {
  std::uint8_t scales[kSubs];  ///< E4M3 without a sign
  std::uint8_t qs[32];  ///< of each sub-block: indices of elements i (low nibble) and i + 8 (high nibble)
};
static_assert(sizeof(Block) == 36);

/// The largest code that is a number: 448.
inline constexpr std::int32_t kLargestCode = 0x7E;
/// Where the exponent has no room: from here on ggml takes the largest code.
inline constexpr std::int32_t kCodeOf256 = 15 << 3;

/// The E4M3 code of a scale >= 0: the mantissa rounded to three bits, halves up; below 2^-6 the nearest
/// multiple of 2^-9, at most seven of them.
template <class L>
[[gnu::always_inline]] inline typename L::I ue4m3_code(typename L::F scale) {
  using F = typename L::F;
  using I = typename L::I;
  // Exponents start at 127 - 7 in FP32. The product is of use below 2^-6 only and kept within an int.
  const I normal = L::shr(L::bits(scale) + I(1 << 19), 20) - I((127 - 7) << 3);
  const F small = L::min(scale, F(1.0f));
  const I subnormal = L::min(L::trunc_to_int(small * F(512.0f) + F(0.5f)), I(7));
  const I code = L::select(L::lt(scale, F(0x1p-6f)), subnormal, normal);
  return L::select(L::lt(code, I(kCodeOf256)), code, I(kLargestCode));
}

/// Half the scale of a code 0 .. 0x7E.
template <class L>
[[gnu::always_inline]] inline typename L::F half_scale(typename L::I code) {
  using F = typename L::F;
  using I = typename L::I;
  const F normal = L::from_bits(L::shl(code, 20) + I((127 - 7 - 1) << 23));
  return L::select(L::lt(code, I(8)), L::to_float(code) * F(0x1p-10f), normal);
}

/// The sub-block's scale code; the 16 indices are packed into two words.
template <class L>
[[gnu::always_inline]] inline typename L::I encode_sub_block(const typename L::F* x, typename L::I* words) {
  using F = typename L::F;
  using I = typename L::I;
  F amax(0.0f);
  for (std::size_t i = 0; i < kSubElems; ++i) amax = L::max(L::abs(x[i]), amax);
  const I code = ue4m3_code<L>(amax / F(6.0f));
  const F d = half_scale<L>(code);
  I index[kSubElems];
  // Scales end at 448, so weights may be so much larger that all errors are rounded.
  if (L::any(L::gt(amax, F(0x1p20f)))) [[unlikely]] {
    for (std::size_t i = 0; i < kSubElems; ++i) index[i] = fp4_index_by_errors<L>(x[i], d);
  } else {
    // Without a scale all levels are equally far, and the first is 0: as with a scale beyond all weights.
    const Fp4Middles<L> middles = fp4_middles<L>(L::select(L::gt(code, I(0)), d, F(0x1p100f)));
    for (std::size_t i = 0; i < kSubElems; ++i) index[i] = fp4_index<L>(x[i], middles);
  }
  for (std::size_t k = 0; k < 2; ++k) {
    const I* at = index + 4 * k;
    words[k] =
        pack_bytes<L>(at[0], at[1], at[2], at[3]) | L::shl(pack_bytes<L>(at[8], at[9], at[10], at[11]), 4);
  }
  return code;
}

template <class L>
void encode(const float* tile, const float*, std::uint64_t rows, std::uint64_t cols,
            std::byte* out) noexcept {
  using F = typename L::F;
  using I = typename L::I;
  for_each_group<L>(rows * (cols / kElems), [&](const BlockGroup<L>& group) {
    F x[kElems];
    load_blocks<L, kElems>(tile, group, x);
    I words[word_capacity<L, sizeof(Block)>()] = {};
    I codes[kSubs];
    for (std::size_t sub = 0; sub < kSubs; ++sub) {
      codes[sub] = encode_sub_block<L>(x + kSubElems * sub, words + 1 + 2 * sub);
    }
    words[0] = pack_bytes<L>(codes[0], codes[1], codes[2], codes[3]);
    store_blocks<L, sizeof(Block)>(words, group, out);
  });
}

template <class L>
void decode(const std::byte* in, float* x, std::uint64_t elems) noexcept {
  using F = typename L::F;
  for (std::uint64_t block = 0; block < elems / kElems; ++block, in += sizeof(Block)) {
    for (std::size_t sub = 0; sub < kSubs; ++sub, x += kSubElems) {
      // The sign has no meaning, and what would be NaN counts as zero.
      const auto code = std::to_integer<std::int32_t>(in[offsetof(Block, scales) + sub]);
      const F d(code == 0x7F ? 0.0f : half_scale<ScalarLane>(code & 0x7F));
      const std::byte* qs = in + offsetof(Block, qs) + 8 * sub;
      std::byte index[kSubElems];
      for (std::size_t i = 0; i < 8; ++i) {
        index[i] = qs[i] & std::byte{15};
        index[i + 8] = qs[i] >> 4;
      }
      for (std::size_t i = 0; i < kSubElems; i += L::width) {
        L::store(x + i, L::gather(kFp4Levels.data(), L::load_u8(index + i)) * d);
      }
    }
  }
}

}  // namespace qtz::quants::nvfp4
