// Quantization of the sub-blocks' scales and offsets themselves, weighted by what their sub-blocks weigh:
// Q2_K, Q4_K and Q5_K with importance. Authority: ggml's make_qp_quants; every float operation is its, in its
// order. Its early exits are masks here: a lane that has settled is frozen while others go on.
#pragma once

#include <cstddef>

#include "quants/lane.h"
#include "quants/scale_search.h"

namespace qtz::quants {

/// x ~ scale * level. Levels are bytes: 0 .. Max, and for the negative numbers that a degenerate fit can
/// produce what ggml's conversion to uint8 makes of their levels.
template <class L, std::size_t N>
struct PositiveScale {
  typename L::F scale;
  typename L::I levels[N];
};

/// Nine candidate scales around max(x) / Max, the best by weighted squared error; from there up to five
/// rounds of coordinate descent on sum(w x l)^2 / sum(w l^2). Lanes whose numbers are all but zero get scale
/// 0 and levels 0.
template <class L, std::size_t N, int Max>
PositiveScale<L, N> search_positive_scale(const typename L::F* x, const typename L::F* w) {
  using F = typename L::F;
  using I = typename L::I;
  using M = typename L::M;
  const F zero(0.0f);
  const I byte(0xFF);
  F high = zero;
  for (std::size_t i = 0; i < N; ++i) high = L::max(high, x[i]);
  const M nothing = L::lt(high, F(kZeroBlock));
  high = L::select(nothing, F(1.0f), high);

  const auto level_of = [&](F value) { return L::min(L::round_to_int(value), I(Max)); };
  const auto error_of = [&](F scale, const auto& level_at) {
    F error = zero;
    for (std::size_t i = 0; i < N; ++i) {
      const F difference = x[i] - scale * level_at(i);
      error = error + w[i] * difference * difference;
    }
    return error;
  };

  F inverse = F(static_cast<float>(Max)) / high;
  F best_error = error_of(F(1.0f) / inverse,
                          [&](std::size_t i) { return L::to_float(L::round_to_int(inverse * x[i]) & byte); });
  for (int step = -4; step <= 4; ++step) {
    if (step == 0) continue;
    const F candidate = F(0.1f * static_cast<float>(step) + static_cast<float>(Max)) / high;
    const F error =
        error_of(F(1.0f) / candidate, [&](std::size_t i) { return L::to_float(level_of(candidate * x[i])); });
    const M better = L::lt(error, best_error);
    best_error = L::select(better, error, best_error);
    inverse = L::select(better, candidate, inverse);
  }

  PositiveScale<L, N> found;
  F sum_lx = zero, sum_l2 = zero;
  for (std::size_t i = 0; i < N; ++i) {
    const I level = level_of(inverse * x[i]);
    const F l = L::to_float(level);
    found.levels[i] = level & byte;
    sum_lx = sum_lx + w[i] * x[i] * l;
    sum_l2 = sum_l2 + w[i] * l * l;
  }

  M live = L::invert(nothing);
  for (int round = 0; round < 5 && L::any(live); ++round) {
    M changed = L::ne(zero, zero);
    for (std::size_t i = 0; i < N; ++i) {
      const F wx = w[i] * x[i];
      const F old_l = L::to_float(found.levels[i]);
      F rest_lx = sum_lx - wx * old_l;
      F rest_l2 = sum_l2 - w[i] * old_l * old_l;
      const M usable = L::both(L::gt(rest_lx, zero), L::gt(rest_l2, zero));
      const I level = level_of(x[i] * rest_l2 / rest_lx);
      const F l = L::to_float(level);
      rest_lx = rest_lx + wx * l;
      rest_l2 = rest_l2 + w[i] * l * l;
      const M better = L::gt(rest_lx * rest_lx * sum_l2, sum_lx * sum_lx * rest_l2);
      const M take = L::both(L::both(live, usable), L::both(L::ne(level, found.levels[i]), better));
      found.levels[i] = L::select(take, level & byte, found.levels[i]);
      sum_lx = L::select(take, rest_lx, sum_lx);
      sum_l2 = L::select(take, rest_l2, sum_l2);
      changed = L::either(changed, take);
    }
    live = L::both(live, changed);
  }

  found.scale = L::select(L::both(L::invert(nothing), L::gt(sum_l2, zero)), sum_lx / sum_l2, zero);
  for (std::size_t i = 0; i < N; ++i) found.levels[i] = L::select(nothing, I(0), found.levels[i]);
  return found;
}

}  // namespace qtz::quants
