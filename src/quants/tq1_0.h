// TQ1_0: 256 elements in 54 bytes. x ~ d * t with t = -1, 0, 1, d = max |x|; five digits t + 1 to the base of
// three make a number below 243, stored as the byte ceil(number * 256 / 243), from which three times the byte
// gives digit after digit above bit 8. Authority: ggml's block_tq1_0, quantize_row_tq1_0_ref and
// dequantize_row_tq1_0; importance is not used.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "quants/half_lane.h"
#include "quants/k_quant_common.h"
#include "quants/legacy_blocks.h"
#include "quants/ternary.h"

namespace qtz::quants::tq1_0 {

struct Block {
  std::uint8_t
      qs[48];          ///< elements 0 .. 239: byte l of 32 holds l + 32 {0 .. 4}, then byte l of 16 holds 160
                       ///< + l + 16 {0 .. 4}, the first digit the highest
  std::uint8_t qh[4];  ///< byte l holds elements 240 + l + 4 {0 .. 3}; the fifth digit is 0
  std::uint16_t d;     ///< FP16 scale
};
static_assert(sizeof(Block) == 54);

/// ceil(256 n / 243) for n = 0 .. 242: n + ceil(13 n / 243), the quotient as a product that is exact up to
/// there (4316 / 2^20 is above 1 / 243 by less than 1 part in 4900, and 13 n + 242 is below 3400).
template <class L>
[[gnu::always_inline]] inline typename L::I stretch_to_byte(typename L::I number) {
  using I = typename L::I;
  return number + L::shr((number * I(13) + I(242)) * I(4316), 20);
}

/// The byte of `Digits` elements that are Stride apart.
template <class L, std::size_t Stride, std::size_t Digits>
[[gnu::always_inline]] inline typename L::I pack_digits(const typename L::F* x, typename L::F inverse) {
  using I = typename L::I;
  I number(0), ones(0);
  for (std::size_t n = 0; n < 5; ++n) {
    number = number + L::shl(number, 1);
    ones = ones + L::shl(ones, 1);
    if (n < Digits) {
      number = number + ternary_level<L>(x[Stride * n], inverse);
      ones = ones + I(1);
    }
  }
  return stretch_to_byte<L>(number + ones);
}

template <class L>
void encode(const float* tile, const float*, std::uint64_t rows, std::uint64_t cols,
            std::byte* out) noexcept {
  using F = typename L::F;
  using I = typename L::I;
  for_each_super_block_group<L>(
      tile, nullptr, rows, cols, [&](const F* x, const F*, const BlockGroup<L>& group) {
        const TernaryScale<L> scale = ternary_scale<L, kSuperElems>(x);
        const auto byte = [&](std::size_t i) {
          if (i < 32) return pack_digits<L, 32, 5>(x + i, scale.inverse);
          if (i < 48) return pack_digits<L, 16, 5>(x + 160 + (i - 32), scale.inverse);
          return pack_digits<L, 4, 4>(x + 240 + (i - 48), scale.inverse);
        };
        I words[word_capacity<L, sizeof(Block)>()] = {};
        for (std::size_t k = 0; k < 13; ++k) {
          words[k] = L::pack_u8(byte(4 * k), byte(4 * k + 1), byte(4 * k + 2), byte(4 * k + 3));
        }
        words[13] = f32_to_f16<L>(scale.d);
        store_blocks<L, sizeof(Block)>(words, group, out);
      });
}

/// Takes Digits digits from each of Stride bytes.
template <class L, std::size_t Stride, std::size_t Digits>
[[gnu::always_inline]] inline void unpack_digits(const std::byte* in, typename L::F d, float* x) {
  using I = typename L::I;
  for (std::size_t i = 0; i < Stride; i += L::width) {
    I rest = L::load_u8(in + i);
    for (std::size_t n = 0; n < Digits; ++n) {
      const I tripled = rest + L::shl(rest, 1);
      L::store(x + Stride * n + i, L::to_float(L::shr(tripled, 8) - I(1)) * d);
      rest = tripled & I(0xFF);
    }
  }
}

template <class L>
void decode(const std::byte* in, float* x, std::uint64_t elems) noexcept {
  using F = typename L::F;
  using I = typename L::I;
  for (std::uint64_t block = 0; block < elems / kSuperElems; ++block, in += sizeof(Block), x += kSuperElems) {
    const F d(read_f16(in + offsetof(Block, d)));
    unpack_digits<L, 32, 5>(in + offsetof(Block, qs), d, x);
    unpack_digits<L, 16, 5>(in + offsetof(Block, qs) + 32, d, x + 160);
    // Four bytes are fewer than there may be lanes: the sixteen digits are brought into order first.
    std::array<std::byte, 16> digits;
    for (std::size_t i = 0; i < digits.size(); ++i) {
      int rest = std::to_integer<int>(in[offsetof(Block, qh) + i % 4]);
      for (std::size_t n = 0; n < i / 4; ++n) rest = rest * 3 & 0xFF;
      digits[i] = static_cast<std::byte>(rest * 3 >> 8);
    }
    for (std::size_t i = 0; i < digits.size(); i += L::width) {
      L::store(x + 240 + i, L::to_float(L::load_u8(digits.data() + i) - I(1)) * d);
    }
  }
}

}  // namespace qtz::quants::tq1_0
