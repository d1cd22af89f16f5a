// Q5_0: 32 elements in 22 bytes. x ~ d * (q - 16) with 5-bit levels q.
// Authority: ggml's block_q5_0, quantize_row_q5_0_ref and, with importance, quantize_q5_0.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quants/legacy_encode.h"

namespace qtz::quants::q5_0 {

struct Block {
  std::uint16_t d;      ///< FP16 scale
  std::uint8_t qh[4];   ///< fifth bit of level i at bit i
  std::uint8_t qs[16];  ///< levels i (low nibble) and i + 16 (high nibble), low four bits
};
static_assert(sizeof(Block) == 22);

template <class L>
void encode(const float* tile, const float* importance, std::uint64_t rows, std::uint64_t cols,
            std::byte* out) noexcept {
  using I = typename L::I;
  encode_symmetric<L, 16>(tile, importance, rows, cols,
                          [&](I d, const I* levels, const BlockGroup<L>& group) {
                            I words[word_capacity<L, sizeof(Block)>()] = {};
                            const I fifth = pack_fifth_bits<L>(levels);
                            words[0] = d | L::shl(fifth, 16);
                            words[1] = L::shr(fifth, 16) | pack_nibble_bytes<L, 5>(levels, -2);
                            for (int k = 2; k < 6; ++k) words[k] = pack_nibble_bytes<L, 5>(levels, 4 * k - 6);
                            store_blocks<L, sizeof(Block)>(words, group, out);
                          });
}

template <class L>
void decode(const std::byte* in, float* x, std::uint64_t elems) noexcept {
  using F = typename L::F;
  using I = typename L::I;
  for (std::uint64_t block = 0; block < elems / 32; ++block, in += sizeof(Block), x += 32) {
    const F d(read_f16(in + offsetof(Block, d)));
    unpack_legacy<L, true>(in + offsetof(Block, qs), in + offsetof(Block, qh),
                           [&](std::size_t i, I level) { L::store(x + i, L::to_float(level - I(16)) * d); });
  }
}

}  // namespace qtz::quants::q5_0
