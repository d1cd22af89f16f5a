// Q5_K: 256 elements in 176 bytes, in eight sub-blocks of 32. x ~ d * scale * q - dmin * offset with 5-bit
// levels q and 6-bit scales and offsets. Authority: ggml's block_q5_K, quantize_row_q5_K_ref and, with
// importance, quantize_q5_K.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quants/legacy_blocks.h"
#include "quants/six_bit_pairs.h"

namespace qtz::quants::q5_k {

struct Block {
  std::uint16_t d;          ///< FP16 step of the scales
  std::uint16_t dmin;       ///< FP16 step of the offsets
  std::uint8_t scales[12];  ///< see PackedPairs
  std::uint8_t qh[32];      ///< bit s of byte l: fifth bit of the level at l of sub-block s
  std::uint8_t
      qs[128];  ///< byte l of each 32: low four bits of levels l (low nibble) and l + 32 of 64 elements
};
static_assert(sizeof(Block) == 176);

inline constexpr PairTypeSpec kSpec{31, {-0.5f, 0.1f, 16}, true};

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
        pack_bit_plane<L>(quads, 4, words + 4);
        for (std::size_t part = 0; part < 8; part += 2) {
          for (std::size_t k = 0; k < kPartQuads; ++k) {
            words[12 + kPartQuads / 2 * part + k] =
                part_bits<L>(quads, part, k, 15) | L::shl(part_bits<L>(quads, part + 1, k, 15), 4);
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
        const I nibble = sub % 2 == 0 ? bytes & I(15) : L::shr(bytes, 4);
        const I fifth = L::shr(L::load_u8(in + offsetof(Block, qh) + i), static_cast<int>(sub)) & I(1);
        L::store(x + i, scale * L::to_float(nibble | L::shl(fifth, 4)) - offset);
      }
    }
  }
}

}  // namespace qtz::quants::q5_k
