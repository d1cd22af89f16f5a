// Q4_1: 32 elements in 20 bytes. x ~ d * q + m with 4-bit levels q.
// Authority: ggml's block_q4_1, quantize_row_q4_1_ref and, with importance, quantize_q4_1.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quants/legacy_encode.h"

namespace qtz::quants::q4_1 {

struct Block {
  std::uint16_t d;      ///< FP16 scale
  std::uint16_t m;      ///< FP16 minimum
  std::uint8_t qs[16];  ///< levels i (low nibble) and i + 16 (high nibble)
};
static_assert(sizeof(Block) == 20);

template <class L>
void encode(const float* tile, const float* importance, std::uint64_t rows, std::uint64_t cols,
            std::byte* out) noexcept {
  using I = typename L::I;
  encode_with_minimum<L, 15>(tile, importance, rows, cols,
                             [&](I d, I m, const I* levels, const BlockGroup<L>& group) {
                               I words[word_capacity<L, sizeof(Block)>()] = {};
                               words[0] = d | L::shl(m, 16);
                               for (int k = 1; k < 5; ++k)
                                 words[k] = pack_nibble_bytes<L, 4>(levels, 4 * k - 4);
                               store_blocks<L, sizeof(Block)>(words, group, out);
                             });
}

template <class L>
void decode(const std::byte* in, float* x, std::uint64_t elems) noexcept {
  using F = typename L::F;
  using I = typename L::I;
  for (std::uint64_t block = 0; block < elems / 32; ++block, in += sizeof(Block), x += 32) {
    const F d(read_f16(in + offsetof(Block, d))), m(read_f16(in + offsetof(Block, m)));
    unpack_legacy<L, false>(in + offsetof(Block, qs), nullptr,
                            [&](std::size_t i, I level) { L::store(x + i, L::to_float(level) * d + m); });
  }
}

}  // namespace qtz::quants::q4_1
