// IQ2_XS: 256 elements in 74 bytes, in sixteen sub-blocks of 16. x ~ d (2 scale + 1) / 8 * value, with 4-bit
// scales; the magnitudes of eight elements are one of 512 points, and of eight signs the last makes the minus
// signs an even number. Authority: ggml's block_iq2_xs, quantize_row_iq2_xs_impl and dequantize_row_iq2_xs.
// ggml refuses without importance; here all elements are then equally important.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quants/grid_blocks.h"
#include "quants/legacy_blocks.h"

namespace qtz::quants::iq2_xs {

struct Block {
  std::uint16_t d;         ///< FP16 step of the scales
  std::uint16_t qs[32];    ///< of each eight elements: their point (9 bits), seven signs
  std::uint8_t scales[8];  ///< of each two sub-blocks: scales, the first in the low nibble
};
static_assert(sizeof(Block) == 74);

struct Rules {
  using Points = Grid2Xs;
  static constexpr std::size_t kSub = 16;
  static constexpr bool kEven = true;
  static constexpr float kZeroBelow = kZeroBlock;
  static constexpr bool kFirst = false;
  static constexpr ScaleSweep kCandidates{9, 0.1f};
  static constexpr SecondLook kSecondLook = SecondLook::at_off_grid;

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
using Bytes = GridBytes<Grid2Xs, 8, 25, 43>;

template <class L>
void encode(const float* tile, const float* importance, std::uint64_t rows, std::uint64_t cols,
            std::byte* out) noexcept {
  using F = typename L::F;
  using I = typename L::I;
  for_each_super_block_group<L>(tile, importance, rows, cols,
                                [&](const F* x, const F* weights, const BlockGroup<L>& group) {
                                  GridBlock<L, Rules> block;
                                  fit_grid_block<L, Rules>(x, weights, group.live, block);
                                  const F d = block.largest / F(31.0f);
                                  const F inverse = F(1.0f) / d;
                                  const auto empty = L::eq(block.largest, F(0.0f));
                                  I halves[37];
                                  halves[0] = f32_to_f16<L>(d);
                                  for (std::size_t k = 0; k < 32; ++k)
                                    halves[1 + k] = block.indices[k] | L::shl(block.signs[k], 9);
                                  for (std::size_t k = 0; k < 4; ++k)
                                    halves[33 + k] = pack_odd_scales<L>(block.scales + 4 * k, inverse);
                                  for (I& half : halves) half = L::select(empty, I(0), half);
                                  store_halves<L, sizeof(Block)>(halves, group, out);
                                });
}

template <class L>
void decode(const std::byte* in, float* x, std::uint64_t elems) noexcept {
  using F = typename L::F;
  for (std::uint64_t block = 0; block < elems / kSuperElems; ++block, in += sizeof(Block)) {
    const float d = read_f16(in + offsetof(Block, d));
    for (std::size_t sub = 0; sub < 16; ++sub, x += 16) {
      const int scales = std::to_integer<int>(in[offsetof(Block, scales) + sub / 2]);
      std::byte values[16];
      for (std::size_t k = 0; k < 2; ++k) {
        const auto code =
            static_cast<std::uint32_t>(ScalarLane::load_u16(in + offsetof(Block, qs) + 4 * sub + 2 * k));
        put_point<Bytes>(code & 511, with_even_sign(code >> 9), values + 8 * k);
      }
      scale_bytes<L, 16>(values, F(d * (0.5f + static_cast<float>(scales >> (sub % 2 * 4) & 15)) * 0.25f), x);
    }
  }
}

}  // namespace qtz::quants::iq2_xs
