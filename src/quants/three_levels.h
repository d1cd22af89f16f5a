// What IQ1_S and IQ1_M have in common: levels -1, 0 and 1, shifted by an eighth up or down, that are found
// for a sub-block in the order of its elements: those up to a boundary are -1, those from another on are 1.
// All pairs of boundaries are tried. Each eight levels are then moved to a point of a grid. Authority: ggml's
// quantize_row_iq1_s_impl, quantize_row_iq1_m_impl and iq1_find_best_neighbour2; every float operation that
// decides is theirs, in their order.
//
// Elements of equal value keep their order. ggml leaves that to qsort, and the GNU C library's is stable (it
// merges).
#pragma once

#include <cstddef>
#include <cstdint>

#include "quants/grid_blocks.h"

namespace qtz::quants {

inline constexpr float kIq1Shift = 0.125f;

/// What digits are worth with the shift up and down, over and over.
static constexpr float kShiftedUp[16] = {-0.875f, 0.125f, 1.125f, 0, -0.875f, 0.125f, 1.125f, 0,
                                         -0.875f, 0.125f, 1.125f, 0, -0.875f, 0.125f, 1.125f, 0};
static constexpr float kShiftedDown[16] = {-1.125f, -0.125f, 0.875f, 0, -1.125f, -0.125f, 0.875f, 0,
                                           -1.125f, -0.125f, 0.875f, 0, -1.125f, -0.125f, 0.875f, 0};

/// The places of N elements in ascending order; equal ones keep theirs.
template <class L, std::size_t N>
[[gnu::always_inline]] inline void stable_ranks(const typename L::F* x, typename L::I* ranks) {
  using I = typename L::I;
  for (std::size_t i = 0; i < N; ++i) {
    I rank(static_cast<std::int32_t>(i));
    for (std::size_t before = 0; before < i; ++before) {
      const I swapped = L::select(L::gt(x[before], x[i]), I(1), I(0));
      ranks[before] = ranks[before] + swapped;
      rank = rank - swapped;
    }
    ranks[i] = rank;
  }
}

/// sorted[rank of i] = x[i], in every lane.
template <class L, std::size_t N>
[[gnu::always_inline]] inline void put_in_order(const typename L::F* x, const typename L::I* ranks,
                                                typename L::F* sorted) {
  float values[L::width], out[N * L::width];
  std::int32_t places[L::width];
  for (std::size_t i = 0; i < N; ++i) {
    L::store(values, x[i]);
    L::store_i32(reinterpret_cast<std::byte*>(places), ranks[i]);
    for (std::size_t lane = 0; lane < L::width; ++lane) {
      out[static_cast<std::size_t>(places[lane]) * L::width + lane] = values[lane];
    }
  }
  for (std::size_t i = 0; i < N; ++i) sorted[i] = L::load(out + i * L::width);
}

/// What element i of a packed point is worth.
template <class L>
[[gnu::always_inline]] inline typename L::F shifted_level(typename L::I point, std::size_t i,
                                                          typename L::F shift) {
  using I = typename L::I;
  return L::to_float((L::shr(point, 2 * static_cast<int>(i)) & I(3)) - I(1)) + shift;
}

/// The best pair of boundaries so far, with a choice of shifts.
template <class L>
struct BoundarySearch {
  using F = typename L::F;
  using I = typename L::I;

  F scale, best;
  I lower, upper;  ///< the first element that is not -1, and the first that is 1
  I choice;        ///< -1 while there is none

  [[gnu::always_inline]] BoundarySearch() : scale(0.0f), best(-FLT_MAX), lower(0), upper(0), choice(-1) {}

  /// Where the fit is strictly better than any before.
  [[gnu::always_inline]] typename L::M better(F sum_qx, F sum_q2) const {
    return L::both(L::gt(sum_q2, F(0.0f)), L::gt(sum_qx * sum_qx, best * sum_q2));
  }
  [[gnu::always_inline]] void offer(F sum_qx, F sum_q2, std::size_t low, std::size_t high, int shifts) {
    const auto take = better(sum_qx, sum_q2);
    const F fitted = sum_qx / sum_q2;
    scale = L::select(take, fitted, scale);
    best = L::select(take, fitted * sum_qx, best);
    lower = L::select(take, I(static_cast<std::int32_t>(low)), lower);
    upper = L::select(take, I(static_cast<std::int32_t>(high)), upper);
    choice = L::select(take, I(shifts), choice);
  }
};

/// A sub-block's digits moved to the grid.
template <class L, std::size_t N>
struct ThreeLevels {
  using F = typename L::F;
  using I = typename L::I;

  F scale;
  I points[N / 8];  ///< packed
  I numbers[N / 8];
  F shift[N / 8];  ///< of each eight elements
};

/// Gives every eight of N elements a point, from the boundaries of the levels; fits the scale again where any
/// was off the grid. shift: kIq1Shift or its negative for each eight. flipped: lanes whose scale was
/// negative, which changed places of -1 and 1.
template <class L, std::size_t N>
[[gnu::always_inline]] inline ThreeLevels<L, N> move_to_grid(const typename L::F* x, const typename L::F* w,
                                                             const typename L::I* ranks,
                                                             const BoundarySearch<L>& found,
                                                             typename L::M flipped,
                                                             const typename L::F* shift, std::size_t live) {
  using F = typename L::F;
  using I = typename L::I;
  constexpr std::size_t kGroups = N / 8;
  I codes[kGroups];
  float stored_x[N * L::width], stored_w[N * L::width], stored_shift[kGroups * L::width];
  for (std::size_t k = 0; k < kGroups; ++k) {
    codes[k] = I(0);
    for (std::size_t i = 8 * k + 8; i-- > 8 * k;) {
      const I digit =
          L::select(L::lt(ranks[i], found.lower), I(0), L::select(L::lt(ranks[i], found.upper), I(1), I(2)));
      codes[k] = append_digit<L, Grid1>(codes[k], L::select(flipped, I(2) - digit, digit));
      L::store(stored_x + i * L::width, x[i]);
      L::store(stored_w + i * L::width, w[i]);
    }
    L::store(stored_shift + k * L::width, shift[k]);
  }
  const StoredElements elements{stored_x, stored_w, live};
  ThreeLevels<L, N> out;
  I* const points = out.points;
  out.scale = L::select(flipped, L::negate(found.scale), found.scale);
  snap_groups<L, Grid1, kGroups>(codes, out.scale, elements, points, [&](std::size_t k, std::size_t lane) {
    return stored_shift[k * L::width + lane] > 0 ? kShiftedUp : kShiftedDown;
  });

  F sum_qx(0.0f), sum_q2(0.0f);
  I off(0);
  for (std::size_t k = 0; k < kGroups; ++k) {
    off = off | points[k];
    out.shift[k] = shift[k];
    for (std::size_t i = 0; i < 8; ++i) {
      const F wq = w[8 * k + i] * shifted_level<L>(points[k], i, shift[k]);
      sum_qx = sum_qx + wq * x[8 * k + i];
      sum_q2 = sum_q2 + wq * shifted_level<L>(points[k], i, shift[k]);
    }
  }
  const auto refit =
      L::both(L::ne(off & I(kOffGrid), I(0)), L::both(L::gt(sum_qx, F(0.0f)), L::gt(sum_q2, F(0.0f))));
  out.scale = L::select(refit, sum_qx / sum_q2, out.scale);
  for (std::size_t k = 0; k < kGroups; ++k) points[k] = points[k] & I(kOffGrid - 1);
  number_points<L, Grid1, kGroups>(points, out.numbers);
  return out;
}

/// Eight levels in eighths, with 16 added to stay positive.
inline void put_eighths(std::size_t index, bool down, std::byte* out) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  std::uint64_t bytes;
  std::memcpy(&bytes, GridBytes<Grid1, 8, 16, 24>::points[index].data(), sizeof bytes);
  bytes = down ? bytes - kOnes : bytes + kOnes;
  std::memcpy(out, &bytes, sizeof bytes);
}

/// x = scale * (t + shift) for N levels in eighths; their sum is exact either way.
template <class L, std::size_t N>
[[gnu::always_inline]] inline void scale_eighths(const std::byte* eighths, typename L::F scale, float* x) {
  using F = typename L::F;
  using I = typename L::I;
  for (std::size_t i = 0; i < N; i += L::width) {
    L::store(x + i, scale * (L::to_float(L::load_u8(eighths + i) - I(16)) * F(0.125f)));
  }
}

}  // namespace qtz::quants
