// Integers with a scale for each group of columns. A lane is a row; columns are taken one after another, so
// every lane does the scalar's operations in the scalar's order.
// Authority: Frantar et al. 2022, "GPTQ", Algorithm 1; the search for a scale is ours.
#pragma once

#include <cstddef>
#include <cstdint>

#include "qtz/quants/group_quantize_job.h"
#include "quants/half_lane.h"
#include "quants/lane.h"

namespace qtz::quants {

/// Columns whose errors are kept in order to be taken from later columns all at once.
inline constexpr std::uint64_t kErrorColumns = 32;

/// A group of one vector of rows.
template <class L>
struct GroupFit {
  typename L::F scale;
  typename L::F zero;
};

template <class L>
struct GroupQuantizer {
  using F = typename L::F;
  using I = typename L::I;
  using M = typename L::M;
  /// Vectors of rows that are taken side by side, so that a factor that was loaded serves several.
  static constexpr std::size_t kRowVectors = L::width >= 16 ? 4 : 2;

  explicit GroupQuantizer(const GroupQuantizeJob& the_job)
      : job(the_job),
        top(static_cast<float>((1U << job.bits) - 1)),
        half(static_cast<float>(1U << (job.bits - 1))) {}

  const GroupQuantizeJob& job;
  float top;   ///< the largest code
  float half;  ///< the zero point of symmetric codes

  F weight(std::uint64_t col, std::uint64_t row) const {
    return L::load(job.weights + col * kSlabRows + row);
  }
  F weighing(std::uint64_t col) const { return F(job.importance == nullptr ? 1.0f : job.importance[col]); }

  F stored(F scale) const {
    return job.bf16_scales ? bf16_to_f32<L>(f32_to_bf16<L>(scale)) : f16_to_f32<L>(f32_to_f16<L>(scale));
  }

  /// round(x) between low and high.
  static F level(F x, F low, F high) { return L::round_to_float(L::min(L::max(x, low), high)); }

  /// Weighted sums over a group that judge levels l: of x * l and l^2. What the best scale for these levels
  /// leaves is less by lx^2 / l2 than the weighted sum of x^2.
  struct Sums {
    F lx = F(0.0f), l2 = F(0.0f);
  };
  Sums sums(std::uint32_t group, std::uint64_t row, F inverse, F low, F high) const {
    Sums found;
    for (std::uint32_t i = job.starts[group]; i < job.starts[group + 1]; ++i) {
      const std::uint32_t col = job.members[i];
      const F x = weight(col, row);
      const F l = level(inverse * x, low, high);
      const F weighted = weighing(col) * l;
      found.lx = found.lx + weighted * x;
      found.l2 = found.l2 + weighted * l;
    }
    return found;
  }

  struct Best {
    F gain = F(0.0f), scale = F(0.0f), zero = F(0.0f);

    void offer(const Sums& sums, F zero_point) {
      const M usable = L::gt(sums.l2, F(0.0f));
      const F found = L::select(usable, sums.lx / L::select(usable, sums.l2, F(1.0f)), F(0.0f));
      const F offered = found * sums.lx;
      const M better = L::gt(offered, gain);
      gain = L::select(better, offered, gain);
      scale = L::select(better, found, scale);
      zero = L::select(better, zero_point, zero);
    }
  };

  /// Tries scales that put the largest magnitude at, or beyond, either end of the codes.
  Best search_symmetric(std::uint32_t group, std::uint64_t row) const {
    F low(0.0f), high(0.0f);
    extremes(group, row, low, high);
    const F depth = L::negate(low);
    F extreme = L::select(L::gt(high, depth), high, low);
    const M zero = L::eq(extreme, F(0.0f));
    extreme = L::select(zero, F(1.0f), extreme);
    Best best;
    best.zero = F(half);
    const F least(-half), most(half - 1.0f);
    for (int i = 0; i < kCandidates; ++i) {
      const float reach =
          0.9f + (kReach - 0.9f) * static_cast<float>(i) / static_cast<float>(kCandidates - 1);
      best.offer(sums(group, row, F(-half * reach) / extreme, least, most), F(half));
      best.offer(sums(group, row, F((half - 0.5f) * reach) / extreme, least, most), F(half));
    }
    return best;
  }

  /// Tries ranges up to the whole one, which holds 0.
  Best search_asymmetric(std::uint32_t group, std::uint64_t row) const {
    F low(0.0f), high(0.0f);
    extremes(group, row, low, high);
    F range = high - low;
    range = L::select(L::eq(range, F(0.0f)), F(1.0f), range);
    const F least_zero(static_cast<float>(job.least_zero));
    Best best;
    best.zero = L::max(F(half), least_zero);
    for (int i = 0; i < kCandidates; ++i) {
      const float reach =
          0.9f + (kReach - 0.9f) * static_cast<float>(i) / static_cast<float>(kCandidates - 1);
      const F inverse = F(top * reach) / range;
      // The middle of the range stays in the middle of the codes, whatever is cut off.
      const F middle = F(0.5f * top) - (low + high) * F(0.5f) * inverse;
      const F zero = L::min(L::max(level(middle, F(-top), F(2.0f * top)), least_zero), F(top));
      best.offer(sums(group, row, inverse, F(0.0f) - zero, F(top) - zero), zero);
    }
    return best;
  }

  GroupFit<L> fit(std::uint32_t group, std::uint64_t row) const {
    const Best best = job.symmetric ? search_symmetric(group, row) : search_asymmetric(group, row);
    const F scale = stored(best.scale);
    // Of weights that are zeros, or too small for the scale's numbers.
    return {L::select(L::eq(scale, F(0.0f)), F(1.0f), scale), best.zero};
  }

  void fit_and_store(std::uint32_t group, std::uint64_t row) const {
    const GroupFit<L> found = fit(group, row);
    const std::uint64_t at = group * kSlabRows + row;
    L::store(job.scales + at, found.scale);
    store_codes(job.zeros + at, found.zero);
  }

  static void store_codes(std::uint8_t* at, F codes) {
    float values[L::width];
    L::store(values, codes);
    for (std::size_t lane = 0; lane < L::width; ++lane) at[lane] = static_cast<std::uint8_t>(values[lane]);
  }

  F load_zeros(std::uint64_t at) const {
    return L::to_float(L::load_u8(reinterpret_cast<const std::byte*>(job.zeros) + at));
  }

  void extremes(std::uint32_t group, std::uint64_t row, F& low, F& high) const {
    for (std::uint32_t i = job.starts[group]; i < job.starts[group + 1]; ++i) {
      const F x = weight(job.members[i], row);
      low = L::min(x, low);
      high = L::max(x, high);
    }
  }

  /// Rows [row, row + kRowVectors * width), all columns.
  void run(std::uint64_t row) const {
    if (job.fixed_scales || job.factor == nullptr) {
      for (std::uint32_t group = 0; group < job.groups; ++group) fit_all(group, row);
    }
    F losses[kRowVectors];
    for (F& loss : losses) loss = F(0.0f);
    std::uint64_t begin = 0;
    while (begin < job.cols) {
      const std::uint32_t group = job.group_of[begin];
      const bool opens = begin == 0 || job.group_of[begin - 1] != group;
      if (opens && !job.fixed_scales && job.factor != nullptr) fit_all(group, row);
      std::uint64_t end = begin + 1;
      while (end < job.cols && end - begin < kErrorColumns &&
             (job.fixed_scales || job.group_of[end] == group)) {
        ++end;
      }
      F errors[kErrorColumns][kRowVectors];
      for (std::uint64_t col = begin; col < end; ++col)
        quantize_column(col, row, errors[col - begin], losses, end);
      if (job.factor != nullptr) spread(begin, end, row, errors);
      begin = end;
    }
    for (std::size_t v = 0; v < kRowVectors; ++v) L::store(job.losses + row + v * L::width, losses[v]);
    if (job.hessian != nullptr) refine(row);
  }

  void fit_all(std::uint32_t group, std::uint64_t row) const {
    for (std::size_t v = 0; v < kRowVectors; ++v) fit_and_store(group, row + v * L::width);
  }

  /// Chooses the column's codes, and takes its error from the columns before `end`.
  void quantize_column(std::uint64_t col, std::uint64_t row, F (&errors)[kRowVectors],
                       F (&losses)[kRowVectors], std::uint64_t end) const {
    const std::uint32_t group = job.group_of[col];
    const float* const factors = job.factor == nullptr ? nullptr : job.factor + col * job.cols;
    const F diagonal(factors == nullptr ? 1.0f : factors[col]);
    for (std::size_t v = 0; v < kRowVectors; ++v) {
      const std::uint64_t at = row + v * L::width;
      const F scale = L::load(job.scales + group * kSlabRows + at);
      const F zero = load_zeros(group * kSlabRows + at);
      const F x = weight(col, at);
      const F l = level(x / scale, F(0.0f) - zero, F(top) - zero);
      store_codes(job.codes + col * kSlabRows + at, l + zero);
      errors[v] = (x - scale * l) / diagonal;
      losses[v] = losses[v] + errors[v] * errors[v];
    }
    if (factors == nullptr) return;
    for (std::uint64_t later = col + 1; later < end; ++later) {
      const F share(factors[later]);
      for (std::size_t v = 0; v < kRowVectors; ++v) {
        float* const w = job.weights + later * kSlabRows + row + v * L::width;
        L::store(w, L::load(w) - errors[v] * share);
      }
    }
  }

  /// Takes the errors of [begin, end) from all columns from `end` on, in the order of the columns they are
  /// of.
  void spread(std::uint64_t begin, std::uint64_t end, std::uint64_t row,
              const F (&errors)[kErrorColumns][kRowVectors]) const {
    spread_to(job.factor, job.weights, begin, end, row, errors, end, job.cols);
  }

  /// to[c] -= errors[col] * matrix[col, c] for all c in [first, last), col after col of [begin, end).
  void spread_to(const float* matrix, float* to, std::uint64_t begin, std::uint64_t end, std::uint64_t row,
                 const F (&errors)[kErrorColumns][kRowVectors], std::uint64_t first,
                 std::uint64_t last) const {
    constexpr std::uint64_t kColumns = 4;
    std::uint64_t at = first;
    for (; at + kColumns <= last; at += kColumns)
      spread_columns<kColumns>(matrix, to, begin, end, row, errors, at);
    for (; at < last; ++at) spread_columns<1>(matrix, to, begin, end, row, errors, at);
  }

  template <std::uint64_t Columns>
  void spread_columns(const float* matrix, float* to, std::uint64_t begin, std::uint64_t end,
                      std::uint64_t row, const F (&errors)[kErrorColumns][kRowVectors],
                      std::uint64_t at) const {
    F left[Columns][kRowVectors];
    float* const w = to + at * kSlabRows + row;
    for (std::uint64_t c = 0; c < Columns; ++c) {
      for (std::size_t v = 0; v < kRowVectors; ++v) left[c][v] = L::load(w + c * kSlabRows + v * L::width);
    }
    for (std::uint64_t col = begin; col < end; ++col) {
      const float* const factors = matrix + col * job.cols + at;
      for (std::uint64_t c = 0; c < Columns; ++c) {
        const F share(factors[c]);
        for (std::size_t v = 0; v < kRowVectors; ++v)
          left[c][v] = left[c][v] - errors[col - begin][v] * share;
      }
    }
    for (std::uint64_t c = 0; c < Columns; ++c) {
      for (std::size_t v = 0; v < kRowVectors; ++v) L::store(w + c * kSlabRows + v * L::width, left[c][v]);
    }
  }

  /// code - zero
  F level_at(std::uint64_t col, std::uint64_t at) const { return L::load(job.levels + col * kSlabRows + at); }
  F scale_at(std::uint64_t col, std::uint64_t at) const {
    return L::load(job.scales + job.group_of[col] * kSlabRows + at);
  }

  /// Coordinate descent on e^T H e from where the loop ended: scales that fit their group's codes best, then
  /// each code in turn.
  void refine(std::uint64_t row) const {
    start_refining(row);
    for (unsigned sweep = 0; sweep < job.sweeps; ++sweep) {
      refit_scales(row);
      for (std::uint64_t begin = 0; begin < job.cols; begin += kErrorColumns)
        refine_columns(begin, begin + kErrorColumns < job.cols ? begin + kErrorColumns : job.cols, row);
    }
    for (std::size_t v = 0; v < kRowVectors; ++v) {
      F loss = F(0.0f);
      for (std::uint64_t col = 0; col < job.cols; ++col) {
        const std::uint64_t at = col * kSlabRows + row + v * L::width;
        loss = loss + L::load(job.errors + at) * L::load(job.gradients + at);
      }
      L::store(job.losses + row + v * L::width, loss);
    }
  }

  /// Errors, and their products with the Hessian.
  void start_refining(std::uint64_t row) const {
    const F zero = F(0.0f);
    for (std::uint64_t col = 0; col < job.cols; ++col) {
      for (std::size_t v = 0; v < kRowVectors; ++v) {
        const std::uint64_t at = row + v * L::width;
        const std::uint64_t place = col * kSlabRows + at;
        const F code = L::to_float(L::load_u8(reinterpret_cast<const std::byte*>(job.codes) + place));
        const F l = code - load_zeros(job.group_of[col] * kSlabRows + at);
        L::store(job.levels + place, l);
        L::store(job.errors + place, L::load(job.errors + place) - scale_at(col, at) * l);
        L::store(job.gradients + place, zero);
      }
    }
    F errors[kErrorColumns][kRowVectors];
    for (std::uint64_t begin = 0; begin < job.cols; begin += kErrorColumns) {
      const std::uint64_t end = begin + kErrorColumns < job.cols ? begin + kErrorColumns : job.cols;
      for (std::uint64_t col = begin; col < end; ++col) {
        for (std::size_t v = 0; v < kRowVectors; ++v)
          errors[col - begin][v] = L::negate(L::load(job.errors + col * kSlabRows + row + v * L::width));
      }
      spread_to(job.hessian, job.gradients, begin, end, row, errors, 0, job.cols);
    }
  }

  void refit_scales(std::uint64_t row) const {
    for (std::uint32_t group = 0; group < job.groups; ++group) {
      F step[kRowVectors];
      scale_steps(group, row, step);
      F errors[kErrorColumns][kRowVectors];
      std::uint32_t i = job.starts[group];
      while (i < job.starts[group + 1]) {
        // Members that follow each other.
        const std::uint64_t begin = job.members[i];
        std::uint64_t end = begin;
        while (i < job.starts[group + 1] && job.members[i] == end && end - begin < kErrorColumns) {
          for (std::size_t v = 0; v < kRowVectors; ++v) {
            const std::uint64_t at = row + v * L::width;
            const F change = step[v] * level_at(end, at);
            float* const error = job.errors + end * kSlabRows + at;
            L::store(error, L::load(error) - change);
            errors[end - begin][v] = change;
          }
          ++end;
          ++i;
        }
        spread_to(job.hessian, job.gradients, begin, end, row, errors, 0, job.cols);
      }
      for (std::size_t v = 0; v < kRowVectors; ++v) {
        float* const scale = job.scales + group * kSlabRows + row + v * L::width;
        L::store(scale, L::load(scale) + step[v]);
      }
    }
  }

  /// From a group's scales to the best ones for its codes that can be stored; 0 where that gains nothing.
  void scale_steps(std::uint32_t group, std::uint64_t row, F (&steps)[kRowVectors]) const {
    F along[kRowVectors], curvature[kRowVectors];
    for (std::size_t v = 0; v < kRowVectors; ++v) along[v] = curvature[v] = F(0.0f);
    const std::uint32_t* const members = job.members + job.starts[group];
    const std::uint32_t count = job.starts[group + 1] - job.starts[group];
    for (std::uint32_t i = 0; i < count; ++i) {
      const float* const h = job.hessian + members[i] * job.cols;
      F product[kRowVectors];
      for (std::size_t v = 0; v < kRowVectors; ++v) product[v] = F(0.0f);
      for (std::uint32_t k = 0; k < count; ++k) {
        const F share(h[members[k]]);
        for (std::size_t v = 0; v < kRowVectors; ++v)
          product[v] = product[v] + share * level_at(members[k], row + v * L::width);
      }
      for (std::size_t v = 0; v < kRowVectors; ++v) {
        const std::uint64_t at = row + v * L::width;
        const F l = level_at(members[i], at);
        along[v] = along[v] + l * L::load(job.gradients + members[i] * kSlabRows + at);
        curvature[v] = curvature[v] + l * product[v];
      }
    }
    for (std::size_t v = 0; v < kRowVectors; ++v)
      steps[v] = stored_step(group, row + v * L::width, along[v], curvature[v]);
  }

  F stored_step(std::uint32_t group, std::uint64_t at, F along, F curvature) const {
    const F none = F(0.0f);
    const M usable = L::gt(curvature, none);
    const F scale = L::load(job.scales + group * kSlabRows + at);
    const F fitted = stored(scale + along / L::select(usable, curvature, F(1.0f)));
    const F step = fitted - scale;
    const M better = L::gt(step * (along + along - step * curvature), none);
    const F gaining = L::select(better, L::select(L::eq(fitted, none), none, step), none);
    return L::select(usable, gaining, none);
  }

  void refine_columns(std::uint64_t begin, std::uint64_t end, std::uint64_t row) const {
    F changes[kErrorColumns][kRowVectors];
    for (std::uint64_t col = begin; col < end; ++col) {
      const float* const h = job.hessian + col * job.cols;
      const F diagonal(h[col]);
      for (std::size_t v = 0; v < kRowVectors; ++v) {
        const std::uint64_t at = row + v * L::width;
        const std::uint64_t place = col * kSlabRows + at;
        const F scale = scale_at(col, at);
        const F zero = load_zeros(job.group_of[col] * kSlabRows + at);
        const F old = level_at(col, at);
        const F error = L::load(job.errors + place);
        // The gradient without this column's own part says where its error would be best.
        const F l =
            level(old + L::load(job.gradients + place) / (diagonal * scale), F(0.0f) - zero, F(top) - zero);
        const F change = scale * (l - old);
        store_codes(job.codes + place, l + zero);
        L::store(job.levels + place, l);
        L::store(job.errors + place, error - change);
        changes[col - begin][v] = change;
      }
      for (std::uint64_t later = col + 1; later < end; ++later) {
        const F share(h[later]);
        for (std::size_t v = 0; v < kRowVectors; ++v) {
          float* const g = job.gradients + later * kSlabRows + row + v * L::width;
          L::store(g, L::load(g) - changes[col - begin][v] * share);
        }
      }
    }
    // Columns of the block have the changes of those before them.
    for (std::uint64_t col = begin; col < end; ++col) {
      for (std::uint64_t earlier = begin; earlier <= col; ++earlier) {
        const F share(job.hessian[col * job.cols + earlier]);
        for (std::size_t v = 0; v < kRowVectors; ++v) {
          float* const g = job.gradients + earlier * kSlabRows + row + v * L::width;
          L::store(g, L::load(g) - changes[col - begin][v] * share);
        }
      }
    }
    spread_to(job.hessian, job.gradients, begin, end, row, changes, 0, begin);
    spread_to(job.hessian, job.gradients, begin, end, row, changes, end, job.cols);
  }

 private:
  static constexpr int kCandidates = 24;
  static constexpr float kReach = 1.8f;  ///< how far beyond the codes the largest magnitude may lie
};

template <class L>
void group_quantize(const GroupQuantizeJob& job) noexcept {
  const GroupQuantizer<L> quantizer(job);
  constexpr std::size_t kRows = GroupQuantizer<L>::kRowVectors * L::width;
  static_assert(kSlabRows % kRows == 0);
  for (std::uint64_t row = 0; row < kSlabRows; row += kRows) quantizer.run(row);
}

}  // namespace qtz::quants
