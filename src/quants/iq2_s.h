// IQ2_S: 256 elements in 82 bytes, in sixteen sub-blocks of 16. x ~ d (2 scale + 1) / 8 * value, with 4-bit
// scales; the magnitudes of eight elements are one of 1024 points, and every element has its sign. Authority:
// ggml's block_iq2_s, quantize_row_iq2_s_impl and dequantize_row_iq2_s.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quants/grid_blocks.h"
#include "quants/legacy_blocks.h"

namespace qtz::quants::iq2_s {

struct Block {
  std::uint16_t d;         ///< FP16 step of the scales
  std::uint8_t qs[32];     ///< of each eight elements: low bits of their point
  std::uint8_t signs[32];  ///< of each eight elements
  std::uint8_t qh[8];      ///< of each 32 elements: the upper two bits of their four points
  std::uint8_t scales[8];  ///< of each two sub-blocks: scales, the first in the low nibble
};
static_assert(sizeof(Block) == 82);

struct Rules {
  using Points = Grid2S;
  static constexpr std::size_t kSub = 16;
  static constexpr bool kEven = false;
  static constexpr float kZeroBelow = 1e-8f;
  static constexpr bool kFirst = false;
  static constexpr ScaleSweep kCandidates{9, 0.1f};
  static constexpr SecondLook kSecondLook = SecondLook::at_off_grid;

  template <class L>
  static typename L::F lift(typename L::F sum) {
    return typename L::F(2.0f) * sum / typename L::F(256.0f);
  }
  template <class L>
  static typename L::F plain_weight(typename L::F x, typename L::F lift) {
    return typename L::F(0.25f) * lift + x * x;
  }
};

/// What the digits are read back as, where 8 is the step.
using Bytes = GridBytes<Grid2S, 8, 25, 43>;

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
        I halves[41];
        halves[0] = L::select(empty, I(0), f32_to_f16<L>(d * F(0.9875f)));
        for (std::size_t k = 0; k < 16; ++k) {
          halves[1 + k] = pack_bytes<L>(block.indices[2 * k] & I(0xFF), block.indices[2 * k + 1] & I(0xFF));
          halves[17 + k] = pack_bytes<L>(block.signs[2 * k], block.signs[2 * k + 1]);
        }
        for (std::size_t k = 0; k < 4; ++k) {
          I high(0);
          for (std::size_t i = 0; i < 8; ++i) {
            high = high | L::shl(L::shr(block.indices[8 * k + i], 8), 2 * static_cast<int>(i));
          }
          halves[33 + k] = high;
          const I scales = pack_odd_scales<L>(block.scales + 4 * k, inverse);
          halves[37 + k] = L::select(empty, I(0), scales);
        }
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
      const auto high = std::to_integer<std::size_t>(in[offsetof(Block, qh) + sub / 2]) >> (sub % 2 * 4);
      std::byte values[16];
      for (std::size_t k = 0; k < 2; ++k) {
        const std::size_t low = std::to_integer<std::size_t>(in[offsetof(Block, qs) + 2 * sub + k]);
        put_point<Bytes>(low | ((high >> (2 * k) & 3) << 8),
                         std::to_integer<unsigned>(in[offsetof(Block, signs) + 2 * sub + k]), values + 8 * k);
      }
      scale_bytes<L, 16>(values, F(d * (0.5f + static_cast<float>(scales >> (sub % 2 * 4) & 15)) * 0.25f), x);
    }
  }
}

}  // namespace qtz::quants::iq2_s
