// Small integers per lane packed into the 32-bit words that store_blocks writes. Inputs are clean: no bits
// above their width.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quants/block_io.h"
#include "quants/lane.h"

namespace qtz::quants {

/// b0 in the lowest byte.
template <class L>
[[gnu::always_inline]] inline typename L::I pack_bytes(typename L::I b0, typename L::I b1, typename L::I b2,
                                                       typename L::I b3) {
  return (b0 | L::shl(b1, 8)) | (L::shl(b2, 16) | L::shl(b3, 24));
}

template <class L>
[[gnu::always_inline]] inline typename L::I pack_bytes(typename L::I b0, typename L::I b1) {
  return b0 | L::shl(b1, 8);
}

/// A block seen as BlockBytes / 2 16-bit pieces (every block of an even size is) stored for the live lanes.
template <class L, std::size_t BlockBytes>
[[gnu::always_inline]] inline void store_halves(const typename L::I* halves, const BlockGroup<L>& group,
                                                std::byte* tile) {
  constexpr std::size_t kHalves = BlockBytes / 2;
  static_assert(BlockBytes % 2 == 0);
  typename L::I words[word_capacity<L, BlockBytes>()];
  for (std::size_t k = 0; k < kHalves / 2; ++k) words[k] = halves[2 * k] | L::shl(halves[2 * k + 1], 16);
  if constexpr (kHalves % 2 == 1) words[kHalves / 2] = halves[kHalves - 1];
  for (std::size_t k = (kHalves + 1) / 2; k < word_capacity<L, BlockBytes>(); ++k)
    words[k] = typename L::I(0);
  store_blocks<L, BlockBytes>(words, group, tile);
}

/// Four bytes of the layout that Q4_0, Q4_1, Q5_0 and Q5_1 share, where byte j holds the low four bits of
/// level j and, above them, of level j + 16: the bytes first .. first + 3, those outside 0 .. 15 as zeros (a
/// block that does not start on a word has such ends). Levels have Bits bits; INT32_MIN, a conversion that
/// did not fit, counts as 0.
template <class L, int Bits>
[[gnu::always_inline]] inline typename L::I pack_nibble_bytes(const typename L::I* levels, int first) {
  using I = typename L::I;
  const auto quad = [&](int shift) {
    const auto level = [&](int j) { return j >= 0 && j < 16 ? levels[j + shift] : I(0); };
    return L::pack_u8(level(first), level(first + 1), level(first + 2), level(first + 3));
  };
  const I low = quad(0), high = L::shl(quad(16), 4);
  if constexpr (Bits == 4) return low | high;
  return (low & I(0x0F0F0F0F)) | (high & I(static_cast<std::int32_t>(0xF0F0F0F0)));
}

/// The fifth bits of 32 levels, level i at bit i.
template <class L>
[[gnu::always_inline]] inline typename L::I pack_fifth_bits(const typename L::I* levels) {
  using I = typename L::I;
  I bits(0);
  for (std::size_t k = 8; k-- > 0;) {
    // Byte b of the quad is level k + 8 b; its bit goes to bit k of byte b.
    const I quad = L::pack_u8(levels[k], levels[k + 8], levels[k + 16], levels[k + 24]);
    bits = L::shl(bits, 1) | (L::shr(quad, 4) & I(0x01010101));
  }
  return bits;
}

}  // namespace qtz::quants
