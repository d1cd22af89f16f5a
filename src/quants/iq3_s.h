// IQ3_S: 256 elements in 110 bytes, in eight sub-blocks of 32. x ~ d (2 scale + 1) * level, with 4-bit
// scales; the magnitudes of four elements are one of 512 points of odd levels 1 .. 15, and every element has
// its sign. Authority: ggml's block_iq3_s, quantize_row_iq3_s_impl and dequantize_row_iq3_s.
//
// ggml's encoder does not step over a sub-block of zeros: the low bits of points and the signs of those
// behind it are stored one sub-block too early, where no reader looks for them. The bytes here are ggml's in
// that too; only super-blocks with 32 zeros in a row, at a multiple of 32, are affected.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quants/grid_blocks.h"
#include "quants/legacy_blocks.h"

namespace qtz::quants::iq3_s {

struct Block {
  std::uint16_t d;         ///< FP16 step of the scales
  std::uint8_t qs[64];     ///< of each four elements: low bits of their point
  std::uint8_t qh[8];      ///< of each sub-block: the ninth bits of its eight points
  std::uint8_t signs[32];  ///< of each eight elements
  std::uint8_t scales[4];  ///< of each two sub-blocks: scales, the first in the low nibble
};
static_assert(sizeof(Block) == 110);

struct Rules {
  using Points = Grid3S;
  static constexpr std::size_t kSub = 32;
  static constexpr bool kEven = false;
  static constexpr float kZeroBelow = 0x1p-149f;
  static constexpr bool kFirst = false;
  static constexpr ScaleSweep kCandidates{9, 0.2f};
  static constexpr SecondLook kSecondLook = SecondLook::at_all_if_off_grid;

  template <class L>
  static typename L::F lift(typename L::F sum) {
    return typename L::F(2.0f) * sum / typename L::F(256.0f);
  }
  template <class L>
  static typename L::F plain_weight(typename L::F x, typename L::F) {
    return x * x;
  }
};

/// Moves points and signs over the sub-blocks of zeros, as ggml stores them.
template <class L>
void close_gaps(GridBlock<L, Rules>& block, typename L::I* low) {
  using I = typename L::I;
  for (std::size_t sub = 8; sub-- > 0;) {
    const auto gap = block.nothing[sub];
    const auto shift = [&](I* values, std::size_t each) {
      for (std::size_t i = each * sub; i < each * 8; ++i) {
        values[i] = L::select(gap, i + each < each * 8 ? values[i + each] : I(0), values[i]);
      }
    };
    shift(low, 8);
    shift(block.signs, 4);
  }
}

using Bytes = GridBytes<Grid3S, 1, 3, 5, 7, 9, 11, 13, 15>;

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
        I halves[55];
        halves[0] = L::select(empty, I(0), f32_to_f16<L>(d * F(1.033f)));
        I low[64];
        for (std::size_t k = 0; k < 64; ++k) low[k] = block.indices[k] & I(0xFF);
        auto gaps = block.nothing[0];
        for (std::size_t sub = 1; sub < 8; ++sub) gaps = L::either(gaps, block.nothing[sub]);
        if (L::any(gaps)) [[unlikely]]
          close_gaps<L>(block, low);
        for (std::size_t k = 0; k < 32; ++k) halves[1 + k] = pack_bytes<L>(low[2 * k], low[2 * k + 1]);
        I high[8];
        for (std::size_t sub = 0; sub < 8; ++sub) {
          high[sub] = I(0);
          for (std::size_t k = 0; k < 8; ++k) {
            high[sub] = high[sub] | L::shl(L::shr(block.indices[8 * sub + k], 8), static_cast<int>(k));
          }
        }
        for (std::size_t k = 0; k < 4; ++k) halves[33 + k] = pack_bytes<L>(high[2 * k], high[2 * k + 1]);
        for (std::size_t k = 0; k < 16; ++k) {
          halves[37 + k] = pack_bytes<L>(block.signs[2 * k], block.signs[2 * k + 1]);
        }
        for (std::size_t k = 0; k < 2; ++k) {
          halves[53 + k] = L::select(empty, I(0), pack_odd_scales<L>(block.scales + 4 * k, inverse));
        }
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
      const std::byte* signs = in + offsetof(Block, signs) + 4 * sub;
      const auto high = std::to_integer<std::size_t>(in[offsetof(Block, qh) + sub]);
      const int scales = std::to_integer<int>(in[offsetof(Block, scales) + sub / 2]);
      const auto point = [&](std::size_t k) {
        return std::to_integer<std::size_t>(qs[k]) | ((high >> k & 1) << 8);
      };
      std::byte values[32];
      for (std::size_t k = 0; k < 4; ++k) {
        put_two_points<Bytes>(point(2 * k), point(2 * k + 1), std::to_integer<unsigned>(signs[k]),
                              values + 8 * k);
      }
      scale_bytes<L, 32>(values, F(d * static_cast<float>(1 + 2 * (scales >> (sub % 2 * 4) & 15))), x);
    }
  }
}

}  // namespace qtz::quants::iq3_s
