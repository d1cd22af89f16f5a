// The two scale searches that ggml's encoders share, as lane texts: symmetric integer levels (Q4_0, Q5_0 with
// importance, Q3_K, Q6_K) and levels on a grid with a minimum (Q4_1, Q5_1 with importance, Q2_K, Q4_K, Q5_K).
// Authority: ggml's make_qx_quants, make_qkx2_quants and make_qkx3_quants; every float operation is theirs,
// in their order. A search returns what reproduces its levels, instead of carrying them through all the
// candidates.
#pragma once

#include <cstddef>
#include <limits>

#include "quants/lane.h"

namespace qtz::quants {

/// Blocks whose largest magnitude is below this count as zero (ggml's GROUP_MAX_EPS).
inline constexpr float kZeroBlock = 1e-15f;

/// The first of N values of the largest magnitude, +0 when all are zeros.
template <class L, std::size_t N>
[[gnu::always_inline]] inline typename L::F first_extreme(const typename L::F* x) {
  using F = typename L::F;
  F low(0.0f), high(0.0f);
  for (std::size_t i = 0; i < N; ++i) {
    low = L::min(x[i], low);
    high = L::max(x[i], high);
  }
  const F depth = L::negate(low);
  F extreme = L::select(L::gt(high, depth), high, low);
  // Which came first matters only where both signs reach the same magnitude.
  if (L::any(L::both(L::eq(high, depth), L::gt(high, F(0.0f))))) {
    F amax(0.0f);
    for (std::size_t i = 0; i < N; ++i) {
      const F magnitude = L::abs(x[i]);
      extreme = L::select(L::lt(amax, magnitude), x[i], extreme);
      amax = L::max(magnitude, amax);
    }
  }
  return extreme;
}

/// x ~ scale * l with l = clamp(round(inverse * x), -Max, Max - 1); `zero` lanes have scale 0 and no levels.
template <class L>
struct SignedScale {
  typename L::F scale;
  typename L::F inverse;
  typename L::M zero;
};

/// round(inverse * x) clamped to -Max .. Max - 1. |inverse * x| is at most Max + 1 in a search, so that
/// rounding in float is exact.
template <class L, int Max>
[[gnu::always_inline]] inline typename L::F signed_level(typename L::F inverse, typename L::F x) {
  using F = typename L::F;
  const F level = L::round_to_float(inverse * x);
  return L::min(L::max(level, F(static_cast<float>(-Max))), F(static_cast<float>(Max - 1)));
}

/// The search's candidates: inverse scales of magnitude reach / |extreme|, which put the extreme at -reach.
/// In the order of judgement: Max first, then Max - 0.9 .. Max - 0.1, then Max + 0.1 .. Max + 0.9. Instead of
/// clamping the levels of every candidate, the elements are capped beforehand, once for the first ten and
/// once for the other nine:
///   across from the extreme, levels end at Max - 1. |x| > cap |extreme| is moved to the cap; both then lie
///   where every candidate's reach * |x| / |extreme| rounds to Max - 1 or more, and the cap where it rounds
///   to exactly that; on the extreme's side they end at -Max. A reach up to Max needs no cap; for the others
///   it is chosen likewise.
template <int Max>
struct SignedReach {
  static constexpr std::size_t kCount = 19;
  static constexpr std::size_t kShort = 10;  ///< candidates that reach no further than Max

  static constexpr float reach(std::size_t candidate) {
    const int step = candidate == 0 ? 0 : static_cast<int>(candidate) - (candidate < kShort ? 10 : 9);
    return static_cast<float>(Max) + 0.1f * static_cast<float>(step);
  }

  /// The middle of the caps that make `level` of every reach from `low` to `high`.
  static constexpr float cap(float level, float low, float high) {
    return 0.5f * ((level - 0.5f) / low + (level + 0.5f) / high);
  }
  static constexpr bool cap_exists(float level, float low, float high) {
    return (level - 0.5f) / low < 0.999f * ((level + 0.5f) / high);
  }
  static constexpr float kTop = static_cast<float>(Max);
  static constexpr float kAcrossShort = cap(kTop - 1.0f, kTop - 0.9f, kTop);
  static constexpr float kAcrossLong = cap(kTop - 1.0f, kTop + 0.1f, kTop + 0.9f);
  static constexpr float kAlongLong = cap(kTop, kTop + 0.1f, kTop + 0.9f);
  static_assert(cap_exists(kTop - 1.0f, kTop - 0.9f, kTop) &&
                cap_exists(kTop - 1.0f, kTop + 0.1f, kTop + 0.9f) &&
                cap_exists(kTop, kTop + 0.1f, kTop + 0.9f));
};

/// The weighted sums that judge one inverse scale: of w * x * level and of w * level^2.
template <class L>
struct SignedFit {
  typename L::F lx;
  typename L::F l2;
};

/// Judges Count inverse scales in one pass over the block: `capped` x needs no clamp, wx = w * x.
template <class L, std::size_t N, std::size_t Count>
[[gnu::always_inline]] inline void fit_signed(const typename L::F* capped, const typename L::F* w,
                                              const typename L::F* wx, const typename L::F* inverse,
                                              SignedFit<L>* fits) {
  using F = typename L::F;
  F candidate[Count], lx[Count], l2[Count];
  for (std::size_t c = 0; c < Count; ++c) {
    candidate[c] = inverse[c];
    lx[c] = l2[c] = F(0.0f);
  }
  for (std::size_t i = 0; i < N; ++i) {
    const F x_i = capped[i], w_i = w[i], wx_i = wx[i];
    for (std::size_t c = 0; c < Count; ++c) {
      const F level = L::round_to_float(candidate[c] * x_i);
      lx[c] = lx[c] + wx_i * level;
      l2[c] = l2[c] + w_i * level * level;
    }
  }
  for (std::size_t c = 0; c < Count; ++c) fits[c] = {lx[c], l2[c]};
}

/// `value` where x is finite, else 0.
template <class L>
[[gnu::always_inline]] inline typename L::F zero_unless_finite(typename L::F x, typename L::F value) {
  using F = typename L::F;
  return L::select(L::lt(L::abs(x), F(std::numeric_limits<float>::infinity())), value, F(0.0f));
}

/// What a search may be given. Elements are finite; scales that were fitted to them can overflow, and ggml
/// then gives infinities and NaN the level 0.
enum class SearchInput { finite, any };

/// The candidates of SignedReach judged by the weighted least-squares fit of x; a later one must be strictly
/// better. w: N weights >= 0.
template <class L, std::size_t N, int Max, SearchInput Input = SearchInput::finite>
SignedScale<L> search_signed_scale(const typename L::F* x, const typename L::F* w) {
  using F = typename L::F;
  using M = typename L::M;
  using Reach = SignedReach<Max>;
  F extreme = first_extreme<L, N>(x);
  const M zero = L::lt(L::abs(extreme), F(kZeroBlock));
  extreme = L::select(zero, F(1.0f), extreme);

  F wx[N], capped_short[N], capped_long[N];
  const M up = L::gt(extreme, F(0.0f));
  const F across_short = extreme * F(-Reach::kAcrossShort);
  const F across_long = extreme * F(-Reach::kAcrossLong), along_long = extreme * F(Reach::kAlongLong);
  const F short_low = L::select(up, across_short, extreme), short_high = L::select(up, extreme, across_short);
  const F long_low = L::select(up, across_long, along_long),
          long_high = L::select(up, along_long, across_long);
  for (std::size_t i = 0; i < N; ++i) {
    wx[i] = w[i] * x[i];
    capped_short[i] = L::min(L::max(x[i], short_low), short_high);
    capped_long[i] = L::min(L::max(x[i], long_low), long_high);
    if constexpr (Input == SearchInput::any) {
      capped_short[i] = zero_unless_finite<L>(x[i], capped_short[i]);
      capped_long[i] = zero_unless_finite<L>(x[i], capped_long[i]);
    }
  }

  F inverses[Reach::kCount];
  SignedFit<L> fits[Reach::kCount];
  for (std::size_t c = 0; c < Reach::kCount; ++c) inverses[c] = F(-Reach::reach(c)) / extreme;
  for (std::size_t c = 0; c < 6; c += 3) fit_signed<L, N, 3>(capped_short, w, wx, inverses + c, fits + c);
  for (std::size_t c = 6; c < Reach::kShort; c += 2)
    fit_signed<L, N, 2>(capped_short, w, wx, inverses + c, fits + c);
  for (std::size_t c = Reach::kShort; c < Reach::kCount; c += 3) {
    fit_signed<L, N, 3>(capped_long, w, wx, inverses + c, fits + c);
  }

  F scale = L::select(L::ne(fits[0].l2, F(0.0f)), fits[0].lx / fits[0].l2, F(0.0f));
  F best = scale * fits[0].lx;
  F inverse = inverses[0];
  for (std::size_t c = 1; c < Reach::kCount; ++c) {
    const SignedFit<L>& sums = fits[c];
    const M better = L::both(L::gt(sums.l2, F(0.0f)), L::gt(sums.lx * sums.lx, best * sums.l2));
    const F fitted = sums.lx / sums.l2;
    scale = L::select(better, fitted, scale);
    best = L::select(better, fitted * sums.lx, best);
    inverse = L::select(better, inverses[c], inverse);
  }
  return {L::select(zero, F(0.0f), scale), inverse, zero};
}

/// The levels of the search, shifted to 0 .. 2 Max - 1; zero lanes get 0, as ggml leaves them.
template <class L, std::size_t N, int Max, SearchInput Input = SearchInput::finite>
void signed_levels(const typename L::F* x, const SignedScale<L>& found, typename L::I* levels) {
  using F = typename L::F;
  for (std::size_t i = 0; i < N; ++i) {
    const F usable = Input == SearchInput::finite ? x[i] : zero_unless_finite<L>(x[i], x[i]);
    const F shifted = signed_level<L, Max>(found.inverse, usable) + F(static_cast<float>(Max));
    levels[i] = L::trunc_to_int(L::select(found.zero, F(0.0f), shifted));
  }
}

/// The candidates of a grid search: inverse scales (first + step * i + Max) / (max - min), i = 0 .. count
/// - 1.
struct GridCandidates {
  float first;
  float step;
  int count;
};

/// x ~ scale * l - offset with l = clamp(round(inverse * (x - base)), 0, Max). offset >= 0.
template <class L>
struct GridScale {
  typename L::F scale;
  typename L::F offset;
  typename L::F inverse;
  typename L::F base;
};

/// Calls body(i, level) for N levels 0 .. Max (floats) as ggml's nearest_int and clamp give them, for any
/// input. `low` and `high` bound x. While both ends stay inside the grid nothing needs a clamp; while both
/// round exactly float clamps do; what nearest_int makes of larger numbers, infinities and NaN is followed
/// bit by bit.
template <class L, std::size_t N, int Max, class Body>
[[gnu::always_inline]] inline void for_each_grid_level(const typename L::F* x, typename L::F low,
                                                       typename L::F high, typename L::F inverse,
                                                       typename L::F base, Body&& body) {
  using F = typename L::F;
  using I = typename L::I;
  constexpr float kMiddle = 0.5f * static_cast<float>(Max);
  const F from_low = L::abs(inverse * (low - base) - F(kMiddle));
  const F from_high = L::abs(inverse * (high - base) - F(kMiddle));
  const F farthest = L::max(from_low, from_high);
  const auto all_within = [&](float limit) {
    return L::all(L::both(L::lt(from_low, F(limit)), L::lt(farthest, F(limit))));
  };
  if (all_within(kMiddle + 0.5f)) {
    for (std::size_t i = 0; i < N; ++i) body(i, L::round_to_float(inverse * (x[i] - base)));
  } else if (all_within(kRoundingLimit - kMiddle)) {
    for (std::size_t i = 0; i < N; ++i) {
      const F level = L::round_to_float(inverse * (x[i] - base));
      body(i, L::min(L::max(level, F(0.0f)), F(static_cast<float>(Max))));
    }
  } else {
    for (std::size_t i = 0; i < N; ++i) {
      const I level = L::round_to_int(inverse * (x[i] - base));
      body(i, L::to_float(L::min(L::max(level, I(0)), I(Max))));
    }
  }
}

/// Least-squares grids over the candidates, each from the minimum found so far, judged by the weighted
/// squared error (AbsoluteError: the weighted absolute error); the plain grid from min to max comes first,
/// and a later one must be strictly better. The minimum is never positive. w: N weights >= 0.
template <class L, std::size_t N, int Max, bool AbsoluteError>
GridScale<L> search_grid_scale(const typename L::F* x, const typename L::F* w,
                               const GridCandidates& candidates) {
  using F = typename L::F;
  using M = typename L::M;
  const F zero(0.0f);
  F low = x[0], high = x[0];
  F sum_w = w[0];
  F sum_x = sum_w * x[0];
  for (std::size_t i = 1; i < N; ++i) {
    low = L::min(x[i], low);
    high = L::max(x[i], high);
    sum_w = sum_w + w[i];
    sum_x = sum_x + w[i] * x[i];
  }
  F min = L::select(L::gt(low, zero), zero, low);
  const M flat = L::le(high, min);
  const F flat_offset = L::negate(min);
  const F top = L::select(flat, min + F(1.0f), high);

  const auto weighted_error = [&](F level, F scale, F offset, std::size_t i) {
    const F difference = scale * level + offset - x[i];
    return w[i] * (AbsoluteError ? L::abs(difference) : difference * difference);
  };

  F inverse = F(static_cast<float>(Max)) / (top - min);
  F base = min;
  F scale = F(1.0f) / inverse;
  F best_error = zero;
  for_each_grid_level<L, N, Max>(x, low, high, inverse, base, [&](std::size_t i, F level) {
    best_error = best_error + weighted_error(level, scale, min, i);
  });
  for (int step = 0; step < candidates.count; ++step) {
    const float wide =
        candidates.first + candidates.step * static_cast<float>(step) + static_cast<float>(Max);
    const F candidate = F(wide) / (top - min);
    F levels[N];
    F sum_l(0.0f), sum_l2(0.0f), sum_xl(0.0f);
    for_each_grid_level<L, N, Max>(x, low, high, candidate, min, [&](std::size_t i, F level) {
      levels[i] = level;
      const F wl = w[i] * level;
      sum_l = sum_l + wl;
      sum_l2 = sum_l2 + wl * level;
      sum_xl = sum_xl + wl * x[i];
    });
    const F determinant = sum_w * sum_l2 - sum_l * sum_l;
    const M solvable = L::gt(determinant, zero);
    F fitted = (sum_w * sum_xl - sum_x * sum_l) / determinant;
    F fitted_min = (sum_l2 * sum_x - sum_l * sum_xl) / determinant;
    const M positive = L::gt(fitted_min, zero);
    fitted_min = L::select(positive, zero, fitted_min);
    if (L::any(positive)) [[unlikely]]
      fitted = L::select(positive, sum_xl / sum_l2, fitted);
    F error = zero;
    for (std::size_t i = 0; i < N; ++i) error = error + weighted_error(levels[i], fitted, fitted_min, i);
    const M better = L::both(solvable, L::lt(error, best_error));
    best_error = L::select(better, error, best_error);
    scale = L::select(better, fitted, scale);
    inverse = L::select(better, candidate, inverse);
    base = L::select(better, min, base);
    min = L::select(better, fitted_min, min);
  }
  return {L::select(flat, zero, scale), L::select(flat, flat_offset, L::negate(min)),
          L::select(flat, zero, inverse), L::select(flat, zero, base)};
}

/// The levels 0 .. Max of the search.
template <class L, std::size_t N, int Max>
void grid_search_levels(const typename L::F* x, const GridScale<L>& found, typename L::I* levels) {
  using F = typename L::F;
  F low = x[0], high = x[0];
  for (std::size_t i = 1; i < N; ++i) {
    low = L::min(x[i], low);
    high = L::max(x[i], high);
  }
  for_each_grid_level<L, N, Max>(x, low, high, found.inverse, found.base,
                                 [&](std::size_t i, F level) { levels[i] = L::trunc_to_int(level); });
}

}  // namespace qtz::quants
