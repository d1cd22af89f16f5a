// Symmetric levels by coordinate descent: Q3_K without importance. Authority: ggml's make_q3_quants; every
// float operation that decides is its, in its order.
//
// Nearly all steps change nothing, and most of the work is to see that. ggml moves an element to round(p /
// r), clamped, where p = x * rest_l2 and r = rest_lx, provided r > 0 (which an extreme above zero all but
// rules out). The element stays if the quotient lies in an interval: from level - 1/2 to level + 1/2, and on
// to twice the range where the level is an end of it. With the interval as center and half width, the latter
// 0.0001 short, |p - center * r| < half * r proves that: at most 2 Max r is added up there with errors of a
// few 2^-24 each, far below 0.0001 r. (Where r is subnormal the products are whole multiples of the smallest
// float or rounded to them, and the strict comparison keeps the quotient inside all the same.) No division
// then, and no state to update; only if some lane fails the test does the step run in full. A lane that has
// settled would repeat its answers, so none needs to be frozen.
#pragma once

#include <cstddef>

#include "quants/lane.h"
#include "quants/scale_search.h"

namespace qtz::quants {

/// x ~ scale * level; levels are floats -Max .. Max - 1. Lanes that are all but zero have scale 0 and levels
/// -Max, which is what the levels 0 that ggml leaves there mean once Max is added.
template <class L, std::size_t N>
struct SignedLevels {
  typename L::F scale;
  typename L::F levels[N];
};

/// What the descent carries: per element its level, its terms of the two sums, and the quotients at which it
/// stays.
template <class L, std::size_t N, int Max>
struct DescentState {
  using F = typename L::F;
  F w[N], wx[N];
  F levels[N], term_lx[N], term_l2[N], center[N], half[N];
  F sum_lx, sum_l2;

  [[gnu::always_inline]] void set(std::size_t i, F level) {
    constexpr float kBottom = static_cast<float>(-Max), kTop = static_cast<float>(Max - 1), kHalf = 0.5f;
    constexpr float kFar = 2.0f * static_cast<float>(Max), kShort = 0.0001f;
    const auto bottom = L::eq(level, F(kBottom)), top = L::eq(level, F(kTop));
    levels[i] = level;
    term_lx[i] = wx[i] * level;
    term_l2[i] = w[i] * level * level;
    center[i] = L::select(bottom, F(kHalf * (kBottom + kHalf - kFar)),
                          L::select(top, F(kHalf * (kTop - kHalf + kFar)), level));
    half[i] = L::select(bottom, F(kHalf * (kBottom + kHalf + kFar) - kShort),
                        L::select(top, F(kHalf * (kFar - kTop + kHalf) - kShort), F(kHalf - kShort)));
  }
};

/// Moves element i to its best level given the others, in the lanes where sum(w x l)^2 / sum(w l^2) grows;
/// returns them.
template <class L, std::size_t N, int Max>
typename L::M descend_element(typename L::F x, std::size_t i, DescentState<L, N, Max>& at) {
  using F = typename L::F;
  using I = typename L::I;
  const F zero(0.0f);
  F rest_lx = at.sum_lx - at.term_lx[i];
  F rest_l2 = at.sum_l2 - at.term_l2[i];
  const auto usable = L::gt(rest_lx, zero);
  const I nearest = L::round_to_int(x * rest_l2 / rest_lx);
  const F level = L::to_float(L::min(L::max(nearest, I(-Max)), I(Max - 1)));
  rest_lx = rest_lx + at.wx[i] * level;
  rest_l2 = rest_l2 + at.w[i] * level * level;
  const auto better =
      L::both(L::gt(rest_l2, zero), L::gt(rest_lx * rest_lx * at.sum_l2, at.sum_lx * at.sum_lx * rest_l2));
  const auto take = L::both(L::both(usable, better), L::ne(level, at.levels[i]));
  at.set(i, L::select(take, level, at.levels[i]));
  at.sum_lx = L::select(take, rest_lx, at.sum_lx);
  at.sum_l2 = L::select(take, rest_l2, at.sum_l2);
  return take;
}

/// From the full range (the first element of largest magnitude at -Max), up to five rounds over the elements;
/// w = x^2.
template <class L, std::size_t N, int Max>
SignedLevels<L, N> descend_signed_scale(const typename L::F* x) {
  using F = typename L::F;
  using M = typename L::M;
  const F zero(0.0f);
  F amax = zero, extreme = zero;
  for (std::size_t i = 0; i < N; ++i) {
    const F magnitude = L::abs(x[i]);
    extreme = L::select(L::gt(magnitude, amax), x[i], extreme);
    amax = L::max(magnitude, amax);
  }
  const M nothing = L::lt(amax, F(kZeroBlock));
  extreme = L::select(nothing, F(1.0f), extreme);

  DescentState<L, N, Max> at;
  at.sum_lx = at.sum_l2 = zero;
  const F inverse = F(static_cast<float>(-Max)) / extreme;
  for (std::size_t i = 0; i < N; ++i) {
    at.w[i] = x[i] * x[i];
    at.wx[i] = at.w[i] * x[i];
    at.set(i, signed_level<L, Max>(inverse, x[i]));
    at.sum_lx = at.sum_lx + at.term_lx[i];
    at.sum_l2 = at.sum_l2 + at.term_l2[i];
  }

  bool changed = true;
  for (int round = 0; round < 5 && changed; ++round) {
    changed = false;
    for (std::size_t i = 0; i < N; ++i) {
      const F rest_lx = at.sum_lx - at.term_lx[i];
      const F away = x[i] * (at.sum_l2 - at.term_l2[i]) - at.center[i] * rest_lx;
      const M inside = L::lt(L::abs(away), at.half[i] * rest_lx);
      if (L::all(L::either(inside, L::le(rest_lx, zero)))) [[likely]]
        continue;
      changed = L::any(descend_element<L, N, Max>(x[i], i, at)) || changed;
    }
  }

  SignedLevels<L, N> found;
  for (std::size_t i = 0; i < N; ++i) {
    found.levels[i] = L::select(nothing, F(static_cast<float>(-Max)), at.levels[i]);
  }
  const M fitted = L::both(L::invert(nothing), L::gt(at.sum_l2, zero));
  found.scale = L::select(fitted, at.sum_lx / at.sum_l2, zero);
  return found;
}

}  // namespace qtz::quants
