// Q4_0: 32 elements in 18 bytes. x ~ d * (q - 8) with 4-bit levels q.
// Authority: ggml's block_q4_0, quantize_row_q4_0_ref and, with importance, quantize_q4_0.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quants/legacy_encode.h"

namespace qtz::quants::q4_0 {

struct Block {
  std::uint16_t d;      ///< FP16 scale
  std::uint8_t qs[16];  ///< levels i (low nibble) and i + 16 (high nibble)
};
static_assert(sizeof(Block) == 18);

template <class L>
void encode(const float* tile, const float* importance, std::uint64_t rows, std::uint64_t cols,
            std::byte* out) noexcept {
  using I = typename L::I;
  encode_symmetric<L, 8>(tile, importance, rows, cols, [&](I d, const I* levels, const BlockGroup<L>& group) {
    I words[word_capacity<L, sizeof(Block)>()] = {};
    words[0] = d | pack_nibble_bytes<L, 4>(levels, -2);
    for (int k = 1; k < 5; ++k) words[k] = pack_nibble_bytes<L, 4>(levels, 4 * k - 2);
    store_blocks<L, sizeof(Block)>(words, group, out);
  });
}

template <class L>
void decode(const std::byte* in, float* x, std::uint64_t elems) noexcept {
  using F = typename L::F;
  using I = typename L::I;
  for (std::uint64_t block = 0; block < elems / 32; ++block, in += sizeof(Block), x += 32) {
    const F d(read_f16(in + offsetof(Block, d)));
    unpack_legacy<L, false>(in + offsetof(Block, qs), nullptr,
                            [&](std::size_t i, I level) { L::store(x + i, L::to_float(level - I(8)) * d); });
  }
}

}  // namespace qtz::quants::q4_0
