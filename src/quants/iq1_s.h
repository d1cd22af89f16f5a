// IQ1_S: 256 elements in 50 bytes, in eight sub-blocks of 32. x ~ d (2 scale + 1) * (t + shift) with 3-bit
// scales, t = -1, 0, 1 and a shift of an eighth, up or down for each sub-block; eight t are one of 2048
// points. Authority: ggml's block_iq1_s, quantize_row_iq1_s_impl and dequantize_row_iq1_s. ggml refuses
// without importance; here all elements are then equally important.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quants/legacy_blocks.h"
#include "quants/three_levels.h"

namespace qtz::quants::iq1_s {

struct Block {
  std::uint16_t d;      ///< FP16 step of the scales
  std::uint8_t qs[32];  ///< of each eight elements: low bits of their point
  std::uint16_t qh[8];  ///< of each sub-block: three upper bits of its four points, scale, 1 for a shift down
};
static_assert(sizeof(Block) == 50);

inline constexpr std::size_t kSub = 32;
inline constexpr float kZeroBelow = 1e-12f;

/// Tries all pairs of boundaries, the shift up before the shift down; the choice is 1 for down.
template <class L>
void search_boundaries(const typename L::F* w, const typename L::F* x, BoundarySearch<L>& search) {
  using F = typename L::F;
  constexpr float kUp = kIq1Shift + 1, kDown = 1 - kIq1Shift;
  // Sums of the first i elements, and what those from i on come to as 1.
  F sum_x[kSub + 1], sum_w[kSub + 1];
  sum_x[0] = sum_w[0] = F(0.0f);
  for (std::size_t i = 0; i < kSub; ++i) {
    sum_x[i + 1] = sum_x[i] + w[i] * x[i];
    sum_w[i + 1] = sum_w[i] + w[i];
  }
  F rest_x_up[kSub + 1], rest_x_down[kSub + 1], rest_w_up[kSub + 1], rest_w_down[kSub + 1];
  for (std::size_t i = 0; i <= kSub; ++i) {
    const F rest_x = sum_x[kSub] - sum_x[i], rest_w = sum_w[kSub] - sum_w[i];
    rest_x_up[i] = rest_x * F(kUp);
    rest_x_down[i] = rest_x * F(kDown);
    rest_w_up[i] = rest_w * F(kUp) * F(kUp);
    rest_w_down[i] = rest_w * F(kDown) * F(kDown);
  }
  for (std::size_t low = 0; low <= kSub; ++low) {
    const F first_x_up = sum_x[low] * F(-kDown), first_x_down = sum_x[low] * F(-kUp);
    const F first_w_up = sum_w[low] * F(-kDown) * F(-kDown), first_w_down = sum_w[low] * F(-kUp) * F(-kUp);
    for (std::size_t high = low; high <= kSub; ++high) {
      const F middle_x = (sum_x[high] - sum_x[low]) * F(kIq1Shift);
      const F middle_w = (sum_w[high] - sum_w[low]) * F(kIq1Shift) * F(kIq1Shift);
      const F qx_up = first_x_up + middle_x + rest_x_up[high];
      const F q2_up = first_w_up + middle_w + rest_w_up[high];
      const F qx_down = first_x_down - middle_x + rest_x_down[high];
      const F q2_down = first_w_down + middle_w + rest_w_down[high];
      if (L::any(L::either(search.better(qx_up, q2_up), search.better(qx_down, q2_down)))) {
        search.offer(qx_up, q2_up, low, high, 0);
        search.offer(qx_down, q2_down, low, high, 1);
      }
    }
  }
}

template <class L>
void encode(const float* tile, const float* importance, std::uint64_t rows, std::uint64_t cols,
            std::byte* out) noexcept {
  using F = typename L::F;
  using I = typename L::I;
  for_each_super_block_group<L>(
      tile, importance, rows, cols, [&](const F* x, const F* weights, const BlockGroup<L>& group) {
        const F zero(0.0f);
        const F lift = F(2.0f) * sum_of_squares<L, kSuperElems>(x) / F(256.0f);
        F scales[8], largest = zero;
        I indices[32], down[8];
        for (std::size_t sub = 0; sub < 8; ++sub) {
          const F* part = x + kSub * sub;
          F w[kSub];
          if (weights != nullptr) {
            importance_weights<L, kSub>(part, weights + kSub * sub, lift, w);
          } else {
            for (std::size_t i = 0; i < kSub; ++i) w[i] = L::sqrt(lift + part[i] * part[i]);
          }
          F size = L::abs(part[0]);
          for (std::size_t i = 1; i < kSub; ++i) size = L::max(size, L::abs(part[i]));

          I ranks[kSub];
          F sorted_x[kSub], sorted_w[kSub];
          stable_ranks<L, kSub>(part, ranks);
          put_in_order<L, kSub>(part, ranks, sorted_x);
          put_in_order<L, kSub>(w, ranks, sorted_w);
          BoundarySearch<L> search;
          search_boundaries<L>(sorted_w, sorted_x, search);
          const auto nothing = L::either(L::lt(size, F(kZeroBelow)), L::lt(search.choice, I(0)));

          const auto flipped = L::lt(search.scale, zero);
          const I choice = L::select(flipped, I(1) - search.choice, search.choice);
          const auto is_down = L::eq(choice, I(1));
          F shifts[4];
          for (F& each : shifts) each = L::select(is_down, F(-kIq1Shift), F(kIq1Shift));
          const auto moved = move_to_grid<L, kSub>(part, w, ranks, search, flipped, shifts, group.live);
          for (std::size_t k = 0; k < 4; ++k) {
            indices[4 * sub + k] = L::select(nothing, I(0), moved.numbers[k]);
          }
          down[sub] = L::select(nothing, I(0), L::select(is_down, I(1), I(0)));
          scales[sub] = L::select(nothing, zero, moved.scale);
          largest = L::max(largest, scales[sub]);
        }

        const F d = largest / F(15.0f);
        const F inverse = F(1.0f) / d;
        const auto empty = L::eq(largest, zero);
        I halves[25];
        halves[0] = L::select(empty, I(0), f32_to_f16<L>(d * F(1.125f)));
        for (std::size_t k = 0; k < 16; ++k) {
          halves[1 + k] = pack_bytes<L>(indices[2 * k] & I(0xFF), indices[2 * k + 1] & I(0xFF));
        }
        for (std::size_t sub = 0; sub < 8; ++sub) {
          const I level = odd_scale_level<L, 7>(scales[sub], inverse) | L::shl(down[sub], 3);
          I high = L::select(empty, I(0), L::shl(level, 12));
          for (std::size_t k = 0; k < 4; ++k) {
            high = high | L::shl(L::shr(indices[4 * sub + k], 8), 3 * static_cast<int>(k));
          }
          halves[17 + sub] = high;
        }
        store_halves<L, sizeof(Block)>(halves, group, out);
      });
}

template <class L>
void decode(const std::byte* in, float* x, std::uint64_t elems) noexcept {
  using F = typename L::F;
  for (std::uint64_t block = 0; block < elems / kSuperElems; ++block, in += sizeof(Block)) {
    const float d = read_f16(in + offsetof(Block, d));
    for (std::size_t sub = 0; sub < 8; ++sub, x += kSub) {
      const auto high = static_cast<std::uint32_t>(ScalarLane::load_u16(in + offsetof(Block, qh) + 2 * sub));
      std::byte eighths[kSub];
      for (std::size_t k = 0; k < 4; ++k) {
        const std::size_t low = std::to_integer<std::size_t>(in[offsetof(Block, qs) + 4 * sub + k]);
        put_eighths(low | ((high >> (3 * k) & 7) << 8), (high >> 15) != 0, eighths + 8 * k);
      }
      scale_eighths<L, kSub>(eighths, F(d * static_cast<float>(2 * (high >> 12 & 7) + 1)), x);
    }
  }
}

}  // namespace qtz::quants::iq1_s
