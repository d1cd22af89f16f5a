// IQ1_M: 256 elements in 56 bytes, in sixteen sub-blocks of 16. x ~ d (2 scale + 1) * (t + shift) with 3-bit
// scales, t = -1, 0, 1 and a shift of an eighth, up or down for each eight elements; eight t are one of 2048
// points. Authority: ggml's block_iq1_m, quantize_row_iq1_m_impl and dequantize_row_iq1_m.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quants/legacy_blocks.h"
#include "quants/three_levels.h"

namespace qtz::quants::iq1_m {

struct Block {
  std::uint8_t qs[32];  ///< of each eight elements: low bits of their point
  std::uint8_t qh[16];  ///< of each sub-block: for each eight a nibble, the point's upper bits, 8 for down
  std::uint8_t
      scales[8];  ///< of each four sub-blocks 16 bits: scales, then a nibble of d as FP16, lowest first
};
static_assert(sizeof(Block) == 56);

inline constexpr std::size_t kSubs = 16;
inline constexpr std::size_t kSub = 16;
inline constexpr float kZeroBelow = 1e-7f;
inline constexpr std::size_t kChoices =
    4;  ///< of shifts: bit 1 is 1 for the first eight down, bit 0 the others

/// The sums that judge a pair of boundaries, for the four choices of shifts: of w q x and of w q^2.
template <class L>
struct Sums {
  typename L::F qx[kChoices], q2[kChoices];

  [[gnu::always_inline]] void add(const Sums& term) {
    for (std::size_t choice = 0; choice < kChoices; ++choice) {
      qx[choice] = qx[choice] + term.qx[choice];
      q2[choice] = q2[choice] + term.q2[choice];
    }
  }
};

/// What one element adds with the level t.
template <class L>
[[gnu::always_inline]] inline Sums<L> term_of(typename L::F w, typename L::F x, typename L::M first_eight,
                                              float t) {
  using F = typename L::F;
  const F up(t + kIq1Shift), down(t - kIq1Shift);
  const F qx_up = w * up * x, qx_down = w * down * x;
  const F q2_up = w * up * up, q2_down = w * down * down;
  return {{qx_up, L::select(first_eight, qx_up, qx_down), L::select(first_eight, qx_down, qx_up), qx_down},
          {q2_up, L::select(first_eight, q2_up, q2_down), L::select(first_eight, q2_down, q2_up), q2_down}};
}

/// Tries all pairs of boundaries with all choices; w, x and ranks of the elements in ascending order.
template <class L>
void search_boundaries(const typename L::F* w, const typename L::F* x, const typename L::M* first_eight,
                       BoundarySearch<L>& search) {
  using F = typename L::F;
  Sums<L> low_terms[kSub], middle_terms[kSub], high_terms[kSub];
  for (std::size_t i = 0; i < kSub; ++i) {
    low_terms[i] = term_of<L>(w[i], x[i], first_eight[i], -1.0f);
    middle_terms[i] = term_of<L>(w[i], x[i], first_eight[i], 0.0f);
    high_terms[i] = term_of<L>(w[i], x[i], first_eight[i], 1.0f);
  }
  // Sums run in the elements' order: those before the first boundary and those between are carried along.
  Sums<L> before;
  for (std::size_t choice = 0; choice < kChoices; ++choice) before.qx[choice] = before.q2[choice] = F(0.0f);
  for (std::size_t low = 0; low <= kSub; ++low) {
    Sums<L> between = before;
    for (std::size_t high = low; high <= kSub; ++high) {
      Sums<L> all = between;
      for (std::size_t i = high; i < kSub; ++i) all.add(high_terms[i]);
      auto any = search.better(all.qx[0], all.q2[0]);
      for (std::size_t choice = 1; choice < kChoices; ++choice) {
        any = L::either(any, search.better(all.qx[choice], all.q2[choice]));
      }
      if (L::any(any)) {
        for (std::size_t choice = 0; choice < kChoices; ++choice) {
          search.offer(all.qx[choice], all.q2[choice], low, high, static_cast<int>(choice));
        }
      }
      if (high < kSub) between.add(middle_terms[high]);
    }
    if (low < kSub) before.add(low_terms[low]);
  }
}

/// x^2, or importance * sqrt(lift + x^2).
template <class L>
[[gnu::always_inline]] inline void weigh(const typename L::F* x, const typename L::F* importance,
                                         typename L::F lift, typename L::F* w) {
  if (importance != nullptr) {
    importance_weights<L, kSub>(x, importance, lift, w);
  } else {
    for (std::size_t i = 0; i < kSub; ++i) w[i] = x[i] * x[i];
  }
}

/// A super-block before its scales are rounded.
template <class L>
struct Fits {
  typename L::F scales[kSubs], largest;
  typename L::I points[2 * kSubs], numbers[2 * kSubs], choices[kSubs];
};

template <class L>
[[gnu::always_inline]] inline typename L::F shift_of(typename L::I choice, int bit) {
  using F = typename L::F;
  using I = typename L::I;
  return L::select(L::ne(choice & I(bit), I(0)), F(-kIq1Shift), F(kIq1Shift));
}

template <class L>
[[gnu::always_inline]] inline void fit_sub_blocks(const typename L::F* x, const typename L::F* weights,
                                                  typename L::F lift, std::size_t live, Fits<L>& fits) {
  using F = typename L::F;
  using I = typename L::I;
  const F zero(0.0f);
  fits.largest = zero;
  for (std::size_t sub = 0; sub < kSubs; ++sub) {
    const F* part = x + kSub * sub;
    F w[kSub];
    weigh<L>(part, weights != nullptr ? weights + kSub * sub : nullptr, lift, w);
    F size = L::abs(part[0]);
    for (std::size_t i = 1; i < kSub; ++i) size = L::max(size, L::abs(part[i]));

    I ranks[kSub];
    F sorted_x[kSub], sorted_w[kSub], halves[kSub], sorted_halves[kSub];
    typename L::M first_eight[kSub];
    stable_ranks<L, kSub>(part, ranks);
    put_in_order<L, kSub>(part, ranks, sorted_x);
    put_in_order<L, kSub>(w, ranks, sorted_w);
    for (std::size_t i = 0; i < kSub; ++i) halves[i] = F(i < 8 ? 0.0f : 1.0f);
    put_in_order<L, kSub>(halves, ranks, sorted_halves);
    for (std::size_t i = 0; i < kSub; ++i) first_eight[i] = L::eq(sorted_halves[i], zero);
    BoundarySearch<L> search;
    search_boundaries<L>(sorted_w, sorted_x, first_eight, search);
    const auto nothing = L::either(L::lt(size, F(kZeroBelow)), L::lt(search.choice, I(0)));

    const auto flipped = L::lt(search.scale, zero);
    const I choice = L::select(flipped, I(3) - search.choice, search.choice);
    const F shifts[2] = {shift_of<L>(choice, 2), shift_of<L>(choice, 1)};
    const auto moved = move_to_grid<L, kSub>(part, w, ranks, search, flipped, shifts, live);
    for (std::size_t k = 0; k < 2; ++k) {
      fits.points[2 * sub + k] = L::select(nothing, I(0), moved.points[k]);
      fits.numbers[2 * sub + k] = L::select(nothing, I(0), moved.numbers[k]);
    }
    fits.choices[sub] = L::select(nothing, I(0), choice);
    fits.scales[sub] = L::select(nothing, zero, moved.scale);
    fits.largest = L::max(fits.largest, fits.scales[sub]);
  }
}

/// Rounds the scales, and fits d to all elements once more. Returns d before it is rounded.
template <class L>
[[gnu::always_inline]] inline typename L::F round_scales(const typename L::F* x, const typename L::F* weights,
                                                         typename L::F lift, const Fits<L>& fits,
                                                         typename L::I* levels) {
  using F = typename L::F;
  using I = typename L::I;
  const F d = fits.largest / F(15.0f);
  const F inverse = F(1.0f) / d;
  F sum_qx(0.0f), sum_q2(0.0f);
  for (std::size_t sub = 0; sub < kSubs; ++sub) {
    levels[sub] = odd_scale_level<L, 7>(fits.scales[sub], inverse);
    const F odd = L::to_float(L::shl(levels[sub], 1) + I(1));
    const F* part = x + kSub * sub;
    F w[kSub];
    weigh<L>(part, weights != nullptr ? weights + kSub * sub : nullptr, lift, w);
    for (std::size_t i = 0; i < kSub; ++i) {
      const F shift = shift_of<L>(fits.choices[sub], i < 8 ? 2 : 1);
      const F q = shifted_level<L>(fits.points[2 * sub + i / 8], i % 8, shift) * odd;
      const F wq = w[i] * q;
      sum_qx = sum_qx + wq * part[i];
      sum_q2 = sum_q2 + wq * q;
    }
  }
  return L::select(L::gt(sum_q2, F(0.0f)), sum_qx / sum_q2, d);
}

template <class L>
void encode(const float* tile, const float* importance, std::uint64_t rows, std::uint64_t cols,
            std::byte* out) noexcept {
  using F = typename L::F;
  using I = typename L::I;
  for_each_super_block_group<L>(
      tile, importance, rows, cols, [&](const F* x, const F* weights, const BlockGroup<L>& group) {
        const F lift = F(2.0f) * sum_of_squares<L, kSuperElems>(x) / F(256.0f);
        Fits<L> fits;
        fit_sub_blocks<L>(x, weights, lift, group.live, fits);
        I levels[kSubs];
        const F d = round_scales<L>(x, weights, lift, fits, levels);
        const auto empty = L::eq(fits.largest, F(0.0f));
        const I code = f32_to_f16<L>(d * F(1.1125f));

        I words[word_capacity<L, sizeof(Block)>()] = {};
        I low[2 * kSubs], high[kSubs];
        for (std::size_t k = 0; k < 2 * kSubs; ++k) low[k] = fits.numbers[k] & I(0xFF);
        for (std::size_t sub = 0; sub < kSubs; ++sub) {
          const I* numbers = fits.numbers + 2 * sub;
          const I choice = fits.choices[sub];
          const I down = L::shl(choice & I(2), 2) | L::shl(choice & I(1), 7);
          high[sub] = L::shr(numbers[0], 8) | L::shl(L::shr(numbers[1], 8), 4) | L::select(empty, I(0), down);
        }
        pack_quads<L, 2 * kSubs>(low, words);
        pack_quads<L, kSubs>(high, words + 8);
        for (int k = 0; k < 4; ++k) {
          const I* four = levels + 4 * k;
          const I scales = (four[0] | L::shl(four[1], 3)) | (L::shl(four[2], 6) | L::shl(four[3], 9));
          const I half = scales | L::shl(L::shr(code, 4 * k) & I(15), 12);
          words[12 + k / 2] = words[12 + k / 2] | L::shl(L::select(empty, I(0), half), 16 * (k % 2));
        }
        store_blocks<L, sizeof(Block)>(words, group, out);
      });
}

template <class L>
void decode(const std::byte* in, float* x, std::uint64_t elems) noexcept {
  using F = typename L::F;
  for (std::uint64_t block = 0; block < elems / kSuperElems; ++block, in += sizeof(Block)) {
    std::uint32_t halves[4];
    std::uint32_t code = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      halves[k] = static_cast<std::uint32_t>(ScalarLane::load_u16(in + offsetof(Block, scales) + 2 * k));
      code |= halves[k] >> 12 << (4 * k);
    }
    const float d = f16_to_f32<ScalarLane>(static_cast<std::int32_t>(code));
    for (std::size_t sub = 0; sub < kSubs; ++sub, x += kSub) {
      const auto high = std::to_integer<std::size_t>(in[offsetof(Block, qh) + sub]);
      std::byte eighths[kSub];
      for (std::size_t k = 0; k < 2; ++k) {
        const std::size_t nibble = high >> (4 * k);
        const std::size_t low = std::to_integer<std::size_t>(in[offsetof(Block, qs) + 2 * sub + k]);
        put_eighths(low | ((nibble & 7) << 8), (nibble & 8) != 0, eighths + 8 * k);
      }
      const std::uint32_t level = halves[sub / 4] >> (3 * (sub % 4)) & 7;
      scale_eighths<L, kSub>(eighths, F(d * static_cast<float>(2 * level + 1)), x);
    }
  }
}

}  // namespace qtz::quants::iq1_m
