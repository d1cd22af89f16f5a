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
// then, and no state to update; only if some lane fails the test does the step run in full, and even then the
// same test, of the interval of the next level, nearly always says where the element goes. A lane that has
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

/// The quotients at which an element keeps its level, as center and half width.
template <class L>
struct Interval {
  typename L::F center, half;
};

template <class L, int Max>
[[gnu::always_inline]] inline Interval<L> interval_of(typename L::F level) {
  using F = typename L::F;
  constexpr float kBottom = static_cast<float>(-Max), kTop = static_cast<float>(Max - 1), kHalf = 0.5f;
  constexpr float kFar = 2.0f * static_cast<float>(Max), kShort = 0.0001f;
  const auto bottom = L::eq(level, F(kBottom)), top = L::eq(level, F(kTop));
  return {L::select(bottom, F(kHalf * (kBottom + kHalf - kFar)),
                    L::select(top, F(kHalf * (kTop - kHalf + kFar)), level)),
          L::select(bottom, F(kHalf * (kBottom + kHalf + kFar) - kShort),
                    L::select(top, F(kHalf * (kFar - kTop + kHalf) - kShort), F(kHalf - kShort)))};
}

/// What the descent carries: per element its level, its terms of the two sums, and the quotients at which it
/// stays.
template <class L, std::size_t N>
struct DescentState {
  using F = typename L::F;
  F w[N], wx[N];
  F levels[N], term_lx[N], term_l2[N];
  Interval<L> stay[N];
  F sum_lx, sum_l2;
};

/// Moves element i to its best level given the others, in the lanes where sum(w x l)^2 / sum(w l^2) grows;
/// returns them. `p` and `r` are the quotient's terms, `away` is p - center * r.
template <class L, std::size_t N, int Max>
[[gnu::always_inline]] inline typename L::M descend_element(typename L::F p, typename L::F r,
                                                            typename L::F rest_l2, typename L::F away,
                                                            typename L::M settled, std::size_t i,
                                                            DescentState<L, N>& at) {
  using F = typename L::F;
  const F zero(0.0f);
  // Nearly always the next level, which the same test proves; a division would take longer than all the rest.
  // (An element at an end of the range is not sent past it: that its interval reaches on fails the test.)
  const F next = at.levels[i] + L::from_bits((L::bits(away) & L::bits(F(-0.0f))) | L::bits(F(1.0f)));
  Interval<L> stay = interval_of<L, Max>(next);
  F level = next;
  if (!L::all(L::either(settled, L::lt(L::abs(p - stay.center * r), stay.half * r)))) [[unlikely]] {
    level = L::to_float(L::min(L::max(L::round_to_int(p / r), typename L::I(-Max)), typename L::I(Max - 1)));
    stay = interval_of<L, Max>(level);
  }
  const F term_lx = at.wx[i] * level, term_l2 = at.w[i] * level * level;
  const F sum_lx = r + term_lx, sum_l2 = rest_l2 + term_l2;
  const auto better =
      L::both(L::gt(sum_l2, zero), L::gt(sum_lx * sum_lx * at.sum_l2, at.sum_lx * at.sum_lx * sum_l2));
  const auto take = L::both(better, L::both(L::invert(settled), L::ne(level, at.levels[i])));
  at.levels[i] = L::select(take, level, at.levels[i]);
  at.term_lx[i] = L::select(take, term_lx, at.term_lx[i]);
  at.term_l2[i] = L::select(take, term_l2, at.term_l2[i]);
  at.stay[i].center = L::select(take, stay.center, at.stay[i].center);
  at.stay[i].half = L::select(take, stay.half, at.stay[i].half);
  at.sum_lx = L::select(take, sum_lx, at.sum_lx);
  at.sum_l2 = L::select(take, sum_l2, at.sum_l2);
  return take;
}

/// Where the descent begins: the full range, the first element of largest magnitude at -Max.
template <class L, std::size_t N, int Max>
struct FullRange {
  using F = typename L::F;
  typename L::M nothing;  ///< all but zero
  F extreme;              ///< the element of largest magnitude; 1 for `nothing`
  F levels[N], term_lx[N], term_l2[N];
  F sum_lx, sum_l2;

  explicit FullRange(const F* x) {
    extreme = first_extreme<L, N>(x);
    nothing = L::lt(L::abs(extreme), F(kZeroBlock));
    extreme = L::select(nothing, F(1.0f), extreme);
    const F inverse = F(static_cast<float>(-Max)) / extreme;
    sum_lx = sum_l2 = F(0.0f);
    for (std::size_t i = 0; i < N; ++i) {
      const F w = x[i] * x[i];
      // Nothing rounds to less than -Max.
      levels[i] = L::min(L::round_to_float(inverse * x[i]), F(static_cast<float>(Max - 1)));
      term_lx[i] = w * x[i] * levels[i];
      term_l2[i] = w * levels[i] * levels[i];
      sum_lx = sum_lx + term_lx[i];
      sum_l2 = sum_l2 + term_l2[i];
    }
  }

  /// The scale that fits the levels with these two sums.
  F scale_of(F at_lx, F at_l2) const {
    return L::select(L::both(L::invert(nothing), L::gt(at_l2, F(0.0f))), at_lx / at_l2, F(0.0f));
  }
};

/// The scale where no element moves, and the lanes where one might. With the extreme above zero every term of
/// sum(w x l) is zero or less, so is every r, and nothing moves; elsewhere the first round's own test says
/// it, made simpler: what lies beyond the top level is drawn in to 0.25 above it, so that the interval of
/// every level is the one around it. A quotient that stays there is at most 1.24 times as large in truth
/// (which at the top is no reason to move), and at the bottom some that would stay are taken for unsettled.
template <class L, std::size_t N, int Max>
[[gnu::always_inline]] inline typename L::F fit_full_range(const typename L::F* x, typename L::M& unsettled) {
  using F = typename L::F;
  constexpr float kDrawnIn = (static_cast<float>(Max) - 0.75f) / static_cast<float>(Max), kHalf = 0.4999f;
  const FullRange<L, N, Max> start(x);
  const auto cannot_move = L::gt(start.extreme, F(0.0f));
  const F top = start.extreme * F(-kDrawnIn);
  auto all_stay = L::eq(F(0.0f), F(0.0f));  // every lane, until one of its elements fails the test
  for (std::size_t i = 0; i < N; ++i) {
    const F r = start.sum_lx - start.term_lx[i];
    const F p = L::min(x[i], top) * (start.sum_l2 - start.term_l2[i]);
    all_stay = L::both(all_stay, L::lt(L::abs(p - start.levels[i] * r), F(kHalf) * r));
  }
  unsettled = L::invert(L::either(cannot_move, all_stay));
  return start.scale_of(start.sum_lx, start.sum_l2);
}

/// Up to five rounds over the elements from the full range; w = x^2.
template <class L, std::size_t N, int Max>
SignedLevels<L, N> descend_signed_scale(const typename L::F* x) {
  using F = typename L::F;
  using M = typename L::M;
  const FullRange<L, N, Max> start(x);
  DescentState<L, N> at;
  at.sum_lx = start.sum_lx;
  at.sum_l2 = start.sum_l2;
  for (std::size_t i = 0; i < N; ++i) {
    at.w[i] = x[i] * x[i];
    at.wx[i] = at.w[i] * x[i];
    at.levels[i] = start.levels[i];
    at.term_lx[i] = start.term_lx[i];
    at.term_l2[i] = start.term_l2[i];
    at.stay[i] = interval_of<L, Max>(at.levels[i]);
  }

  // ggml ends with the first round that changes nothing. So many steps in a row without a change say the same
  // sooner: the rest would be repetitions.
  std::size_t unchanged = 0;
  for (std::size_t step = 0; step < 5 * N && unchanged < N; ++step) {
    const std::size_t i = step % N;
    const F r = at.sum_lx - at.term_lx[i];
    const F rest_l2 = at.sum_l2 - at.term_l2[i];
    const F p = x[i] * rest_l2;
    const F away = p - at.stay[i].center * r;
    const M settled = L::either(L::lt(L::abs(away), at.stay[i].half * r), L::le(r, F(0.0f)));
    ++unchanged;
    if (L::all(settled)) [[likely]]
      continue;
    if (L::any(descend_element<L, N, Max>(p, r, rest_l2, away, settled, i, at))) unchanged = 0;
  }
  SignedLevels<L, N> found;
  for (std::size_t i = 0; i < N; ++i) {
    found.levels[i] = L::select(start.nothing, F(static_cast<float>(-Max)), at.levels[i]);
  }
  found.scale = start.scale_of(at.sum_lx, at.sum_l2);
  return found;
}

}  // namespace qtz::quants
