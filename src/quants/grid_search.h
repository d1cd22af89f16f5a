// The search that the IQ2 and IQ3 types share: levels 2 l + 1 of a scale, of which each group of eight or
// four must be a point of a grid. For every candidate scale the levels are rounded, each group that is no
// point takes the best of the points near it, and the weighted least-squares fit judges the whole. Authority:
// ggml's quantize_row_iq{2,3}_*_impl and iq{2,3}_find_best_neighbour; every float operation that decides is
// theirs, in their order.
//
// Sub-blocks go side by side in the lanes, as everywhere. Only the points near a group are tried with a point
// in each lane: what a point's digit costs is one of few numbers, so the cost of a point is a sum of
// look-ups.
#pragma once

#include <cfloat>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "quants/grid_neighbours.h"
#include "quants/lane.h"

namespace qtz::quants {

/// The levels of digits 0, 1, 2 .., over and over (three of every four count for digits of 0 .. 2).
static constexpr float kOddLevels4[16] = {1, 3, 5, 7, 1, 3, 5, 7, 1, 3, 5, 7, 1, 3, 5, 7};
static constexpr float kOddLevels8[16] = {1, 3, 5, 7, 9, 11, 13, 15, 1, 3, 5, 7, 9, 11, 13, 15};

/// Floats in a look-up table of a digit.
template <class G>
inline constexpr std::size_t kTableSize = std::size_t{1} << G::digit_bits;

template <class G>
constexpr const float* odd_levels() {
  return G::base == 8 ? kOddLevels8 : kOddLevels4;
}

/// 0, 1, 2 .. in the lanes.
static constexpr std::int32_t kLaneNumbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
template <class L>
[[gnu::always_inline]] inline typename L::I lane_numbers() {
  return L::load_i32(reinterpret_cast<const std::byte*>(kLaneNumbers));
}

/// Added to a packed point that was taken for a group that is none.
inline constexpr std::int32_t kOffGrid = 0x10000;

/// Of the points on a list, the one whose sum of w (scale * level - x)^2 is smallest, the first of several;
/// the first of all when no sum is below FLT_MAX. x, w: one element every `stride`. levels: as kOddLevels.
template <class L, class G>
[[gnu::always_inline]] inline std::uint16_t best_listed(const std::uint16_t* list, std::size_t sets,
                                                        const float* x, const float* w, std::size_t stride,
                                                        float scale, const float* levels) {
  using F = typename L::F;
  using I = typename L::I;
  constexpr std::size_t kParts = kTableSize < G >> L::width ? kTableSize<G> / L::width : 1;
  F costs[G::digits][kParts];
  for (std::size_t part = 0; part < kParts; ++part) {
    const F scaled = F(scale) * L::load(levels + part * L::width);
    for (std::size_t i = 0; i < G::digits; ++i) {
      const F difference = scaled - F(x[i * stride]);
      costs[i][part] = F(w[i * stride]) * difference * difference;
    }
  }
  const auto cost_of = [&](std::size_t set) {
    const I points = L::load_u16(reinterpret_cast<const std::byte*>(list + set * L::width));
    F cost = L::template lookup<kTableSize<G>>(costs[0], points);
    for (std::size_t i = 1; i < G::digits; ++i) {
      const I digit = L::shr(points, G::digit_bits * static_cast<int>(i));
      cost = cost + L::template lookup<kTableSize<G>>(costs[i], digit);
    }
    return L::min(cost, F(FLT_MAX));
  };
  // Positions count sets first, then lanes: entry set * width + lane.
  F best = cost_of(0);
  if (sets == 1) return list[L::first_true(L::eq(best, F(L::smallest(best))))];
  I place = lane_numbers<L>();
  for (std::size_t set = 1; set < sets; ++set) {
    const F cost = cost_of(set);
    const auto better = L::lt(cost, best);
    best = L::select(better, cost, best);
    place = L::select(better, lane_numbers<L>() + I(static_cast<std::int32_t>(set * L::width)), place);
  }
  const I tied =
      L::select(L::eq(best, F(L::smallest(best))), place, I(std::numeric_limits<std::int32_t>::max()));
  return list[L::smallest(tied)];
}

/// A group's place in ascending order, from its digits: the last first.
template <class L, class G>
[[gnu::always_inline]] inline typename L::I append_digit(typename L::I code, typename L::I digit) {
  if constexpr (G::base == 3) return code + L::shl(code, 1) + digit;
  return L::shl(code, G::digit_bits) + digit;
}

/// Elements and their weights in memory, each for all lanes, and how many lanes are blocks of their own.
struct StoredElements {
  const float* x;
  const float* w;
  std::size_t live;
};

/// Packed points for groups given by their places: themselves, or the best of those near them, with kOffGrid.
/// levels(group, lane): what the digits are worth there.
template <class L, class G, std::size_t Groups, class Levels>
[[gnu::always_inline]] inline void snap_groups(const typename L::I* codes, typename L::F at_scale,
                                               const StoredElements& elements, typename L::I* found,
                                               Levels&& levels) {
  const auto& table = GridNeighbours<G, L::width>::table();
  float scales[L::width];
  L::store(scales, at_scale);
  for (std::size_t k = 0; k < Groups; ++k) {
    std::int32_t packed[L::width];
    L::store_i32(reinterpret_cast<std::byte*>(packed), codes[k]);
    const std::size_t first = G::digits * L::width * k;
    for (std::size_t lane = 0; lane < elements.live; ++lane) {
      const auto& place = table.at(static_cast<std::size_t>(packed[lane]));
      if (place.sets == 0) {
        packed[lane] = G::points[place.first];
      } else {
        packed[lane] =
            kOffGrid + best_listed<L, G>(table.list(place), place.sets, elements.x + first + lane,
                                         elements.w + first + lane, L::width, scales[lane], levels(k, lane));
      }
    }
    for (std::size_t lane = elements.live; lane < L::width; ++lane) packed[lane] = 0;
    found[k] = L::load_i32(reinterpret_cast<const std::byte*>(packed));
  }
}

/// The numbers of packed points.
template <class L, class G, std::size_t Groups>
void number_points(const typename L::I* points, typename L::I* numbers) {
  using I = typename L::I;
  const auto& table = GridNeighbours<G, L::width>::table();
  for (std::size_t k = 0; k < Groups; ++k) {
    I code(0);
    for (std::size_t i = G::digits; i-- > 0;) {
      const I digit = L::shr(points[k], G::digit_bits * static_cast<int>(i)) & I(G::digit_mask);
      code = append_digit<L, G>(code, digit);
    }
    std::int32_t each[L::width];
    L::store_i32(reinterpret_cast<std::byte*>(each), code);
    for (std::int32_t& lane : each) {
      lane = static_cast<std::int32_t>(table.at(static_cast<std::size_t>(lane)).first);
    }
    numbers[k] = L::load_i32(reinterpret_cast<const std::byte*>(each));
  }
}

/// Candidate inverse scales: (top + step * i) / reach for i = -count .. count, where top is the highest
/// level.
struct ScaleSweep {
  int count;
  float step;
};

/// Whether the groups are rounded and sought once more with the scale that was fitted: those that were off
/// the grid; all, if any was, or no candidate was good for anything; all in any case.
enum class SecondLook { at_off_grid, at_all_if_off_grid, at_all };

/// One sub-block of N elements x >= 0 (but for elements whose sign was given up) with weights w >= 0.
template <class L, class G, std::size_t N>
class GridFit {
  using F = typename L::F;
  using I = typename L::I;
  using M = typename L::M;

 public:
  static constexpr std::size_t kGroups = N / G::digits;
  static constexpr float kTop = 2.0f * G::base - 1.0f;

  /// What was found. scale starts as the caller sets it; points are packed, and start as zeros.
  F scale;
  I points[kGroups];

  /// live: lanes that are blocks of their own.
  GridFit(const F* x, const F* w, std::size_t live, SecondLook look)
      : scale(0.0f), x_(x), w_(w), live_(live), look_(look) {
    farthest_ = F(0.0f);
    for (std::size_t i = 0; i < N; ++i) {
      wx_[i] = w[i] * x[i];
      farthest_ = L::max(L::abs(x[i]), farthest_);
      L::store(stored_x_ + i * L::width, x[i]);
      L::store(stored_root_ + i * L::width, L::sqrt(w[i]));
    }
    for (I& point : points) point = I(look == SecondLook::at_all_if_off_grid ? kOffGrid : 0);
  }

  /// Tries the candidates; a later one must be strictly better.
  void search(F reach, const ScaleSweep& candidates) {
    const auto inverse_of = [&](int step) {
      return F(kTop + candidates.step * static_cast<float>(step)) / reach;
    };
    // Rounding as ggml does it is odd beyond 2^22 and for infinities: only within that is there a short way.
    if (L::all(L::lt(inverse_of(candidates.count) * farthest_, F(kRoundingLimit)))) [[likely]] {
      const ShortWay way(x_, inverse_of(-candidates.count));
      for (int step = -candidates.count; step <= candidates.count; ++step) {
        const F inverse = inverse_of(step);
        I codes[kGroups];
        way.round(inverse, codes);
        judge(inverse, codes);
      }
    } else {
      for (int step = -candidates.count; step <= candidates.count; ++step) {
        const F inverse = inverse_of(step);
        I codes[kGroups];
        round(inverse, codes);
        judge(inverse, codes);
      }
    }
  }

  /// The second look; then points are clean, and the scale is the last fit's.
  void look_again() {
    M again = L::gt(scale, F(0.0f));
    if (look_ != SecondLook::at_all) {
      I any = points[0];
      for (std::size_t k = 1; k < kGroups; ++k) any = any | points[k];
      again = L::both(again, L::ne(any & I(kOffGrid), I(0)));
    }
    if (L::any(again)) {
      I codes[kGroups], fresh[kGroups];
      M wanted[kGroups];
      round(F(1.0f) / scale, codes);
      for (std::size_t k = 0; k < kGroups; ++k) {
        wanted[k] = again;
        if (look_ == SecondLook::at_off_grid) {
          wanted[k] = L::both(again, L::ne(points[k] & I(kOffGrid), I(0)));
        }
        codes[k] = L::select(wanted[k], codes[k], I(0));
      }
      snap(codes, scale, fresh);
      for (std::size_t k = 0; k < kGroups; ++k) points[k] = L::select(wanted[k], fresh[k], points[k]);
      F sum_qx, sum_q2;
      sum(points, sum_qx, sum_q2);
      scale = L::select(L::both(again, L::gt(sum_q2, F(0.0f))), sum_qx / sum_q2, scale);
    }
    for (I& point : points) point = point & I(kOffGrid - 1);
  }

 private:
  /// The groups of rounded levels, by their places in ascending order.
  [[gnu::always_inline]] void round(F inverse, I* codes) const {
    for (std::size_t k = 0; k < kGroups; ++k) {
      I code(0);
      for (std::size_t i = G::digits; i-- > 0;) {
        const F level = F(0.5f) * (inverse * x_[G::digits * k + i] - F(1.0f));
        code = append_digit<L, G>(code, L::min(L::max(L::round_to_int(level), I(0)), I(G::base - 1)));
      }
      codes[k] = code;
    }
  }

  /// The same for all candidates, with |inverse * x| below kRoundingLimit.
  ///
  /// Three levels. l is at least 1 from inverse * x > 2 on, 2 from 4 on (halves round to even). The
  /// candidates lie within a factor below 2: while they grow, every element passes at most one of the two, so
  /// that it has a digit at the smallest and a number to add from its threshold on.
  struct Thresholds {
    const F* x;
    F from[N];
    I codes[kGroups];

    [[gnu::always_inline]] Thresholds(const F* elements, F smallest) : x(elements) {
      constexpr float kAboveTwo = 0x1.000002p1f;
      for (std::size_t k = 0; k < kGroups; ++k) {
        codes[k] = I(0);
        for (std::size_t i = G::digits; i-- > 0;) {
          const F reached = smallest * x[G::digits * k + i];
          const M one = L::ge(reached, F(kAboveTwo)), two = L::ge(reached, F(4.0f));
          const F next = L::select(one, F(4.0f), F(kAboveTwo));
          from[G::digits * k + i] = L::select(two, F(std::numeric_limits<float>::infinity()), next);
          codes[k] = append_digit<L, G>(codes[k], L::select(two, I(2), L::select(one, I(1), I(0))));
        }
      }
    }
    [[gnu::always_inline]] void round(F inverse, I* out) const {
      for (std::size_t k = 0; k < kGroups; ++k) {
        I code = codes[k];
        std::int32_t weight = 1;
        for (std::size_t i = 0; i < G::digits; ++i, weight *= 3) {
          const std::size_t at = G::digits * k + i;
          code = code + L::select(L::ge(inverse * x[at], from[at]), I(weight), I(0));
        }
        out[k] = code;
      }
    }
  };
  /// Eight levels: clamped as floats, whose rounding leaves the digit in the lowest bits.
  struct Clamped {
    const F* x;

    [[gnu::always_inline]] Clamped(const F* elements, F) : x(elements) {}
    [[gnu::always_inline]] void round(F inverse, I* out) const {
      for (std::size_t k = 0; k < kGroups; ++k) {
        I code(0);
        for (std::size_t i = G::digits; i-- > 0;) {
          const F level = F(0.5f) * (inverse * x[G::digits * k + i] - F(1.0f));
          const F clamped = L::min(L::max(level, F(0.0f)), F(static_cast<float>(G::base - 1)));
          code = L::shl(code, G::digit_bits) | (L::bits(clamped + F(kRoundingBias)) & I(G::digit_mask));
        }
        out[k] = code;
      }
    }
  };
  using ShortWay = std::conditional_t<G::base == 3, Thresholds, Clamped>;

  [[gnu::noinline]] void snap(const I* codes, F at_scale, I* found) const {
    const StoredElements elements{stored_x_, stored_root_, live_};
    snap_groups<L, G, kGroups>(codes, at_scale, elements, found,
                               [](std::size_t, std::size_t) { return odd_levels<G>(); });
  }

  /// The weighted sums that judge points: of w x q and of w q^2 over the levels q.
  [[gnu::always_inline]] void sum(const I* packed, F& sum_qx, F& sum_q2) const {
    sum_qx = sum_q2 = F(0.0f);
    for (std::size_t k = 0; k < kGroups; ++k) {
      for (std::size_t i = 0; i < G::digits; ++i) {
        // Twice the digit, and the one below it.
        const int shift = G::digit_bits * static_cast<int>(i) - 1;
        const I twice = i == 0 ? L::shl(packed[k], 1) : L::shr(packed[k], shift);
        const F q = L::to_float((twice & I(2 * G::digit_mask)) | I(1));
        const std::size_t at = G::digits * k + i;
        sum_qx = sum_qx + wx_[at] * q;
        sum_q2 = sum_q2 + w_[at] * q * q;
      }
    }
  }

  [[gnu::always_inline]] void judge(F inverse, const I* codes) {
    I found[kGroups];
    snap(codes, F(1.0f) / inverse, found);
    F sum_qx, sum_q2;
    sum(found, sum_qx, sum_q2);
    const M better = L::both(L::gt(sum_q2, F(0.0f)), L::gt(sum_qx * sum_qx, best_ * sum_q2));
    const F fitted = sum_qx / sum_q2;
    scale = L::select(better, fitted, scale);
    best_ = L::select(better, fitted * sum_qx, best_);
    for (std::size_t k = 0; k < kGroups; ++k) points[k] = L::select(better, found[k], points[k]);
  }

  const F* x_;
  const F* w_;
  F wx_[N];
  F farthest_;
  F best_ = F(0.0f);
  std::size_t live_;
  SecondLook look_;
  float stored_x_[N * L::width];
  float stored_root_[N * L::width];
};

}  // namespace qtz::quants
