// The sixteen uneven levels of IQ4_NL and IQ4_XS and the search for their scale. Authority: ggml's
// kvalues_iq4nl, best_index_int8 and quantize_row_iq4_nl_impl; every float operation that decides is theirs,
// in their order.
//
// Nearest level. ggml compares x - v[i] with v[i + 1] - x. Near the middle m of two neighbours both
// differences are exact in FP32 (there, x is at least as coarse as they are), and away from it rounding
// cannot turn them round: the answer is i + 1 exactly if x >= m. A NaN ends at the last level, as in ggml's
// bisection.
//
// The sweep. The fifteen candidate inverses range over 120 .. 134 divided by the extreme, and neighbouring
// middles are more than 134 / 120 apart in ratio: while |inverse| grows, every element passes at most one
// middle. So it is looked up once, for the smallest |inverse|, together with the middle ahead of it and the
// level behind that.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "quants/lane.h"
#include "quants/scale_search.h"

namespace qtz::quants {

// Not `inline`: gathers take its address, and every kernel level must keep a copy of its own.
static constexpr std::array<float, 16> kIq4Levels{-127, -104, -83, -65, -49, -35, -22, -10,
                                                  1,    13,   25,  38,  53,  69,  89,  113};
inline constexpr std::size_t kIq4Elems = 32;

/// Halfway between levels i and i + 1; exact.
constexpr float iq4_middle(std::size_t i) {
  return (kIq4Levels[i] + kIq4Levels[i + 1]) / 2;
}

/// The level nearest to x, and its index.
template <class L>
[[gnu::always_inline]] inline typename L::F nearest_iq4_level(typename L::F x) {
  using F = typename L::F;
  F level(kIq4Levels[15]);
  for (std::size_t i = 15; i-- > 0;) level = L::select(L::lt(x, F(iq4_middle(i))), F(kIq4Levels[i]), level);
  return level;
}
template <class L>
[[gnu::always_inline]] inline typename L::I nearest_iq4_index(typename L::F x) {
  using F = typename L::F;
  using I = typename L::I;
  I index(15);
  for (std::size_t i = 15; i-- > 0;) {
    index = L::select(L::lt(x, F(iq4_middle(i))), I(static_cast<std::int32_t>(i)), index);
  }
  return index;
}

/// An element during the sweep: its level is `inner` while inverse * size is below `middle`, then `outer`.
template <class L>
struct Iq4Sweep {
  typename L::F size, middle, inner, outer;
};

/// Where an element stands for the smallest inverse; `size` is |x|, `below` tells that its levels are on the
/// side of -127.
template <class L>
[[gnu::always_inline]] inline Iq4Sweep<L> iq4_sweep_start(typename L::F size, typename L::M below,
                                                          typename L::F smallest) {
  using F = typename L::F;
  // Outward from level 8 (the value 1): eight steps to -127, seven to 113. A middle counts as passed at x >=
  // m above and at x < m below: there the first passing magnitude is the next float.
  constexpr std::uint32_t kNextFloat = 1;
  constexpr float kNever = 1e30f;
  const F reach = smallest * size;
  Iq4Sweep<L> at{size, F(0.0f), F(kIq4Levels[8]), F(0.0f)};
  for (std::size_t step = 0; step < 8; ++step) {
    const float lower =
        std::bit_cast<float>(std::bit_cast<std::uint32_t>(-iq4_middle(7 - step)) + kNextFloat);
    const bool has_upper = step < 7;
    const F middle = L::select(below, F(lower), F(has_upper ? iq4_middle(8 + step) : kNever));
    const F beyond =
        L::select(below, F(kIq4Levels[7 - step]), F(has_upper ? kIq4Levels[9 + step] : kIq4Levels[15]));
    if (step == 0) {
      at.middle = middle;
      at.outer = beyond;
    }
    const auto ahead = L::ge(reach, at.middle);
    at.inner = L::select(ahead, at.outer, at.inner);
    if (step > 0) {
      at.middle = L::select(ahead, middle, at.middle);
      at.outer = L::select(ahead, beyond, at.outer);
    }
  }
  return at;
}

/// The scale for 32 elements with weights w: first 127 / extreme, then (i - 127) / extreme for i = -7 .. 7,
/// judged by the weighted least-squares fit; a later candidate must be strictly better. All but zero lanes
/// get 0.
template <class L>
typename L::F search_iq4_scale(const typename L::F* x, const typename L::F* w) {
  using F = typename L::F;
  const F zero(0.0f);
  F amax = zero, extreme = zero;
  for (std::size_t i = 0; i < kIq4Elems; ++i) {
    const F size = L::abs(x[i]);
    extreme = L::select(L::gt(size, amax), x[i], extreme);
    amax = L::max(size, amax);
  }
  const auto nothing = L::lt(amax, F(kZeroBlock));
  extreme = L::select(nothing, F(1.0f), extreme);
  amax = L::select(nothing, F(1.0f), amax);

  F sum_qx = zero, sum_q2 = zero;
  const F first = F(1.0f) / (L::negate(extreme) / F(kIq4Levels[0]));
  for (std::size_t i = 0; i < kIq4Elems; ++i) {
    const F level = nearest_iq4_level<L>(first * x[i]);
    const F weighted = w[i] * level;
    sum_qx = sum_qx + weighted * x[i];
    sum_q2 = sum_q2 + weighted * level;
  }
  F scale = L::select(L::gt(sum_q2, zero), sum_qx / sum_q2, zero);
  F best = scale * sum_qx;

  constexpr int kSteps = 7;
  Iq4Sweep<L> sweep[kIq4Elems];
  const F smallest = F(-kIq4Levels[0] - static_cast<float>(kSteps)) / amax;
  const auto flipped = L::lt(extreme, zero);
  for (std::size_t i = 0; i < kIq4Elems; ++i) {
    const auto negative = L::lt(x[i], zero);
    const auto below = L::either(L::both(negative, flipped), L::invert(L::either(negative, flipped)));
    sweep[i] = iq4_sweep_start<L>(L::abs(x[i]), below, smallest);
  }
  for (int step = -kSteps; step <= kSteps; ++step) {
    const F inverse = F(-kIq4Levels[0] - static_cast<float>(step)) / amax;
    sum_qx = zero;
    sum_q2 = zero;
    for (std::size_t i = 0; i < kIq4Elems; ++i) {
      const auto passed = L::ge(inverse * sweep[i].size, sweep[i].middle);
      const F level = L::select(passed, sweep[i].outer, sweep[i].inner);
      const F weighted = w[i] * level;
      sum_qx = sum_qx + weighted * x[i];
      sum_q2 = sum_q2 + weighted * level;
    }
    const auto better = L::both(L::gt(sum_q2, zero), L::gt(sum_qx * sum_qx, best * sum_q2));
    const F fitted = sum_qx / sum_q2;
    scale = L::select(better, fitted, scale);
    best = L::select(better, fitted * sum_qx, best);
  }
  return L::select(nothing, zero, scale);
}

/// Indices of the levels nearest to inverse * x, as four words of nibbles: byte i holds elements i and i
/// + 16.
template <class L>
[[gnu::always_inline]] inline void pack_iq4_indices(const typename L::F* x, typename L::F inverse,
                                                    typename L::I* words) {
  using I = typename L::I;
  for (std::size_t k = 0; k < 4; ++k) {
    I word(0);
    for (std::size_t byte = 4; byte-- > 0;) {
      const std::size_t i = 4 * k + byte;
      const I high = nearest_iq4_index<L>(inverse * x[i + 16]);
      word = L::shl(word, 8) | nearest_iq4_index<L>(inverse * x[i]) | L::shl(high, 4);
    }
    words[k] = word;
  }
}

/// Decodes 32 elements of 16 packed bytes.
template <class L>
[[gnu::always_inline]] inline void unpack_iq4_levels(const std::byte* in, typename L::F scale, float* x) {
  using I = typename L::I;
  for (std::size_t i = 0; i < kIq4Elems / 2; i += L::width) {
    const I bytes = L::load_u8(in + i);
    L::store(x + i, scale * L::gather(kIq4Levels.data(), bytes & I(15)));
    L::store(x + i + kIq4Elems / 2, scale * L::gather(kIq4Levels.data(), L::shr(bytes, 4)));
  }
}

/// 1 / d, or 0 for d = 0.
template <class L>
[[gnu::always_inline]] inline typename L::F inverse_or_zero(typename L::F d) {
  using F = typename L::F;
  return L::select(L::ne(d, F(0.0f)), F(1.0f) / d, F(0.0f));
}

}  // namespace qtz::quants
