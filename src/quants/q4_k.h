// Q4_K: 256 elements in 144 bytes, in eight sub-blocks of 32. x ~ d * scale * q - dmin * offset with 4-bit
// levels q and 6-bit scales and offsets. Authority: ggml's block_q4_K, quantize_row_q4_K_ref and, with
// importance, quantize_q4_K.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quants/legacy_blocks.h"
#include "quants/six_bit_pairs.h"

namespace qtz::quants::q4_k {

struct Block {
  std::uint16_t d;          ///< FP16 step of the scales
  std::uint16_t dmin;       ///< FP16 step of the offsets
  std::uint8_t scales[12];  ///< see PackedPairs
  std::uint8_t qs[128];     ///< byte l of each 32: levels l (low nibble) and l + 32 of 64 elements
};
static_assert(sizeof(Block) == 144);

inline constexpr PairTypeSpec kSpec{15, {-1.0f, 0.1f, 21}, false};

template <class L>
void encode(const float* tile, const float* importance, std::uint64_t rows, std::uint64_t cols,
            std::byte* out) noexcept {
  using F = typename L::F;
  using I = typename L::I;
  for_each_super_block_group<L>(
      tile, importance, rows, cols, [&](const F* x, const F* weights, const BlockGroup<L>& group) {
        I quads[kQuads];
        const PackedPairs<L> pairs = encode_pairs<L, kSpec>(x, weights, quads);
        I words[word_capacity<L, sizeof(Block)>()] = {};
        words[0] = pairs.d | L::shl(pairs.dmin, 16);
        for (std::size_t k = 0; k < 3; ++k) words[1 + k] = pairs.words[k];
        for (std::size_t part = 0; part < 8; part += 2) {
          for (std::size_t k = 0; k < kPartQuads; ++k) {
            words[4 + kPartQuads / 2 * part + k] =
                quads[kPartQuads * part + k] | L::shl(quads[kPartQuads * (part + 1) + k], 4);
          }
        }
        store_blocks<L, sizeof(Block)>(words, group, out);
      });
}

template <class L>
void decode(const std::byte* in, float* x, std::uint64_t elems) noexcept {
  using F = typename L::F;
  using I = typename L::I;
  for (std::uint64_t block = 0; block < elems / kSuperElems; ++block, in += sizeof(Block)) {
    const float d = read_f16(in + offsetof(Block, d)), dmin = read_f16(in + offsetof(Block, dmin));
    for (std::size_t sub = 0; sub < kPairs; ++sub, x += kPairElems) {
      const Pair pair = unpack_pair(in + offsetof(Block, scales), sub);
      const F scale(d * static_cast<float>(pair.scale)), offset(dmin * static_cast<float>(pair.offset));
      const std::byte* qs = in + offsetof(Block, qs) + sub / 2 * kPairElems;
      for (std::size_t i = 0; i < kPairElems; i += L::width) {
        const I bytes = L::load_u8(qs + i);
        const I level = sub % 2 == 0 ? bytes & I(15) : L::shr(bytes, 4);
        L::store(x + i, scale * L::to_float(level) - offset);
      }
    }
  }
}

}  // namespace qtz::quants::q4_k
