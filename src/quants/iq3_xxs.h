// IQ3_XXS: 256 elements in 98 bytes, in eight sub-blocks of 32. x ~ d (2 scale + 1) / 4 * value, with 4-bit
// scales; the magnitudes of four elements are one of 256 points, and of eight signs the last makes the minus
// signs an even number. Authority: ggml's block_iq3_xxs, quantize_row_iq3_xxs_impl and
// dequantize_row_iq3_xxs.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quants/grid_blocks.h"
#include "quants/legacy_blocks.h"

namespace qtz::quants::iq3_xxs {

struct Block {
  std::uint16_t d;           ///< FP16 step of the scales
  std::uint8_t qs[64];       ///< of each four elements: their point
  std::uint8_t signs[8][4];  ///< of each sub-block, as a word: four times seven signs, then the scale
};
static_assert(sizeof(Block) == 98);

struct Rules {
  using Points = Grid3Xxs;
  static constexpr std::size_t kSub = 32;
  static constexpr bool kEven = true;
  static constexpr float kZeroBelow = 1e-8f;
  static constexpr bool kFirst = false;
  static constexpr ScaleSweep kCandidates{15, 0.2f};
  static constexpr SecondLook kSecondLook = SecondLook::at_off_grid;

  template <class L>
  static typename L::F lift(typename L::F sum) {
    return typename L::F(2.0f) * sum / typename L::F(256.0f);
  }
  template <class L>
  static typename L::F plain_weight(typename L::F x, typename L::F) {
    return x * x;
  }
};

/// What the digits are read back as, where 4 is the step.
using Bytes = GridBytes<Grid3Xxs, 4, 12, 20, 28, 36, 44, 52, 62>;

template <class L>
void encode(const float* tile, const float* importance, std::uint64_t rows, std::uint64_t cols,
            std::byte* out) noexcept {
  using F = typename L::F;
  using I = typename L::I;
  for_each_super_block_group<L>(
      tile, importance, rows, cols, [&](const F* x, const F* weights, const BlockGroup<L>& group) {
        GridBlock<L, Rules> block;
        fit_grid_block<L, Rules>(x, weights, group.live, block);
        const F d = block.largest / F(31.0f);
        const F inverse = F(1.0f) / d;
        const auto empty = L::eq(block.largest, F(0.0f));
        I halves[49];
        halves[0] = f32_to_f16<L>(d * F(1.0125f));
        for (std::size_t k = 0; k < 32; ++k) {
          halves[1 + k] = pack_bytes<L>(block.indices[2 * k], block.indices[2 * k + 1]);
        }
        for (std::size_t sub = 0; sub < 8; ++sub) {
          const I* signs = block.signs + 4 * sub;
          const I word = signs[0] | L::shl(signs[1], 7) | L::shl(signs[2], 14) | L::shl(signs[3], 21) |
                         L::shl(odd_scale_level<L, 15>(block.scales[sub], inverse), 28);
          halves[33 + 2 * sub] = word & I(0xFFFF);
          halves[34 + 2 * sub] = L::shr(word, 16);
        }
        for (I& half : halves) half = L::select(empty, I(0), half);
        store_halves<L, sizeof(Block)>(halves, group, out);
      });
}

template <class L>
void decode(const std::byte* in, float* x, std::uint64_t elems) noexcept {
  using F = typename L::F;
  for (std::uint64_t block = 0; block < elems / kSuperElems; ++block, in += sizeof(Block)) {
    const float d = read_f16(in + offsetof(Block, d));
    for (std::size_t sub = 0; sub < 8; ++sub, x += 32) {
      const std::byte* qs = in + offsetof(Block, qs) + 8 * sub;
      const auto word =
          static_cast<std::uint32_t>(ScalarLane::load_i32(in + offsetof(Block, signs) + 4 * sub));
      std::byte values[32];
      for (std::size_t k = 0; k < 4; ++k) {
        put_two_points<Bytes>(std::to_integer<std::size_t>(qs[2 * k]),
                              std::to_integer<std::size_t>(qs[2 * k + 1]),
                              with_even_sign(word >> (7 * k) & 127), values + 8 * k);
      }
      scale_bytes<L, 32>(values, F(d * (0.5f + static_cast<float>(word >> 28)) * 0.5f), x);
    }
  }
}

}  // namespace qtz::quants::iq3_xxs
