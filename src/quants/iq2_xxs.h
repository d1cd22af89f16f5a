// IQ2_XXS: 256 elements in 66 bytes, in eight sub-blocks of 32. x ~ d (2 scale + 1) / 8 * value, with 4-bit
// scales; the magnitudes of eight elements are one of 256 points, and of eight signs the last makes the minus
// signs an even number. Authority: ggml's block_iq2_xxs, quantize_row_iq2_xxs_impl and
// dequantize_row_iq2_xxs. ggml refuses without importance; here all elements are then equally important.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quants/grid_blocks.h"
#include "quants/legacy_blocks.h"

namespace qtz::quants::iq2_xxs {

struct Block {
  std::uint16_t d;  ///< FP16 step of the scales
  std::uint8_t qs[8]
                 [8];  ///< of each sub-block: four points; as a word, four times seven signs, then the scale
};
static_assert(sizeof(Block) == 66);

struct Rules {
  using Points = Grid2Xxs;
  static constexpr std::size_t kSub = 32;
  static constexpr bool kEven = true;
  static constexpr float kZeroBelow = kZeroBlock;
  static constexpr bool kFirst = true;
  static constexpr ScaleSweep kCandidates{6, 0.1f};
  static constexpr SecondLook kSecondLook = SecondLook::at_all;

  template <class L>
  static typename L::F lift(typename L::F sum) {
    return sum / typename L::F(256.0f);
  }
  template <class L>
  static typename L::F plain_weight(typename L::F x, typename L::F lift) {
    return L::sqrt(lift + x * x);
  }
};

/// What the digits are read back as, where 8 is the step.
using Bytes = GridBytes<Grid2Xxs, 8, 25, 43>;

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
        I halves[33];
        halves[0] = f32_to_f16<L>(d);
        for (std::size_t sub = 0; sub < 8; ++sub) {
          const I* points = block.indices + 4 * sub;
          const I* signs = block.signs + 4 * sub;
          const I word = signs[0] | L::shl(signs[1], 7) | L::shl(signs[2], 14) | L::shl(signs[3], 21) |
                         L::shl(odd_scale_level<L, 15>(block.scales[sub], inverse), 28);
          halves[1 + 4 * sub] = pack_bytes<L>(points[0], points[1]);
          halves[2 + 4 * sub] = pack_bytes<L>(points[2], points[3]);
          halves[3 + 4 * sub] = word & I(0xFFFF);
          halves[4 + 4 * sub] = L::shr(word, 16);
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
      const std::byte* points = in + offsetof(Block, qs) + 8 * sub;
      const auto word = static_cast<std::uint32_t>(ScalarLane::load_i32(points + 4));
      std::byte values[32];
      for (std::size_t k = 0; k < 4; ++k) {
        put_point<Bytes>(std::to_integer<std::size_t>(points[k]), with_even_sign(word >> (7 * k) & 127),
                         values + 8 * k);
      }
      scale_bytes<L, 32>(values, F(d * (0.5f + static_cast<float>(word >> 28)) * 0.25f), x);
    }
  }
}

}  // namespace qtz::quants::iq2_xxs
