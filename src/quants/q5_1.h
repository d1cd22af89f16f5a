// Q5_1: 32 elements in 24 bytes. x ~ d * q + m with 5-bit levels q.
// Authority: ggml's block_q5_1, quantize_row_q5_1_ref and, with importance, quantize_q5_1.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quants/legacy_encode.h"

namespace qtz::quants::q5_1 {

struct Block {
  std::uint16_t d;      ///< FP16 scale
  std::uint16_t m;      ///< FP16 minimum
  std::uint8_t qh[4];   ///< fifth bit of level i at bit i
  std::uint8_t qs[16];  ///< levels i (low nibble) and i + 16 (high nibble), low four bits
};
static_assert(sizeof(Block) == 24);

template <class L>
void encode(const float* tile, const float* importance, std::uint64_t rows, std::uint64_t cols,
            std::byte* out) noexcept {
  using I = typename L::I;
  encode_with_minimum<L, 31>(tile, importance, rows, cols,
                             [&](I d, I m, const I* levels, const BlockGroup<L>& group) {
                               I words[word_capacity<L, sizeof(Block)>()] = {};
                               words[0] = d | L::shl(m, 16);
                               words[1] = pack_fifth_bits<L>(levels);
                               for (int k = 2; k < 6; ++k)
                                 words[k] = pack_nibble_bytes<L, 5>(levels, 4 * k - 8);
                               store_blocks<L, sizeof(Block)>(words, group, out);
                             });
}

template <class L>
void decode(const std::byte* in, float* x, std::uint64_t elems) noexcept {
  using F = typename L::F;
  using I = typename L::I;
  for (std::uint64_t block = 0; block < elems / 32; ++block, in += sizeof(Block), x += 32) {
    const F d(read_f16(in + offsetof(Block, d))), m(read_f16(in + offsetof(Block, m)));
    unpack_legacy<L, true>(in + offsetof(Block, qs), in + offsetof(Block, qh),
                           [&](std::size_t i, I level) { L::store(x + i, L::to_float(level) * d + m); });
  }
}

}  // namespace qtz::quants::q5_1
