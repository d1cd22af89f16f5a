#include "error_bands.h"

#include <algorithm>
#include <cmath>

#include "nearest_levels.h"
#include "qtz/core/error.h"

namespace qtz {
namespace {

/// How a block type cuts its groups into steps.
struct Steps {
  unsigned group;       ///< elements with a scale of their own
  double levels;        ///< steps across the span
  bool symmetric;       ///< the span is twice the largest magnitude, else from the minimum (at most 0) to the
                        ///< maximum
  double scale_levels;  ///< steps of a group's scale within its super-block; 0 where scales are stored as
                        ///< they are
  double min_levels = 0;  ///< steps of a group's minimum within its super-block; 0 where there is none
};

/// Relative spacing of the mantissa, for plain numbers.
struct Spacing {
  double relative;
  double smallest;  ///< of subnormals
};

constexpr double kHalfQuantum = 0x1p-24;  // the smallest f16, which scales are stored in
constexpr double kHalfSteps = 0x1p10;     // of an f16 between a power of two and the next

struct Band {
  Steps steps;
  ErrorLimits limits;
};

// Where the limits come from: the ratio was measured for two trained models and for uniform, normal,
// one-sided, sparse, ternary, two-valued, shifted and heavy-tailed (Student, one outlier in 256, log-normal)
// weights, without importance, with gamma-distributed importance of shape 0.5, and of shape 0.05, which is
// harsher than real matrices. Against it stands the ratio when every row is replaced by its neighbour.
// Trained weights give 0.7 to 1.0 without importance and up to 1.6 with the harshest.
//
// Types that take the nearest of their levels (nearest_levels.h) make the very error that is foretold, but
// for the rounding of the scale. With e and r the two errors of a weight, (e + r)^2 is at most (1 + t) e^2 +
// (1 + 1 / t) r^2 for any t: with t = 0.1 and r^2 counted ten times, the ratio is at most 1.1. Pieces of
// normal weights against another such piece give at least 2.0 (TQ1_0, TQ2_0), 3.1 (Q2_0), 3.4 (Q1_0) and 110
// (MXFP4, NVFP4).
//
// Levels from -8 to 7 reach one step less far on one side: of two weights of equal size and opposite signs,
// one is a whole step off, 12 times the square that is foretold. That is the worst for Q4_0 and Q5_0; the
// scales of IQ4_XS, from -32 to 31, are worse still.
//
//                 worst sound            neighbour's row
//                 plain  piece  harsh    (trained, lowest)
//   Q8_0           2.5    2.6    1.0      40000
//   Q4_0, Q5_0    11.7   11.7    3.6        157, 630
//   Q4_1, Q5_1     2.2    2.6    57         179, 765
//   Q2_K           1.2    3.6    1.5          9
//   Q3_K           3.9    3.9    1.8         47
//   Q4_K, Q5_K     1.0    2.6    26, 75     172, 667
//   Q6_K           1.3    1.4    27        2900
//   IQ4_NL         2.5    3.6    17         158
//   IQ4_XS          15     15    17         158
//   IQ3_XXS         67     89    91         210
//   IQ3_S           19     84    26         210
//   IQ2_XXS         13     15    20          23
//   IQ2_XS         8.2     12    18          29
//   IQ2_S          3.5    4.4   6.1          34
//   IQ1_S          1.1    2.4   1.9         4.5
//   IQ1_M          106    990   8.3         6.0
//
// Grids have no point for all weights of two values, which is the worst for most of them; IQ3_S loses what is
// behind a sub-block of zeros (iq3_s.h); IQ1_M weighs by x^2 without importance, and hardly sees zeros. Its
// limit with importance must be below a neighbour's row and is below what the harshest importance makes of
// two values.
constexpr double kNearest = 1.1;
constexpr double kNearestScale = 10;  // how often the rounding of the scale counts

Band band_of(DType type) noexcept {
  switch (type) {
    case DType::q8_0:
      return {{32, 254, true, 0}, {4, 4, 4}};
    case DType::q4_0:
      return {{32, 16, true, 0}, {13, 13, 13}};
    case DType::q5_0:
      return {{32, 32, true, 0}, {13, 13, 20}};
    case DType::q4_1:
      return {{32, 15, false, 0, kHalfSteps}, {4, 8, 60}};
    case DType::q5_1:
      return {{32, 31, false, 0, kHalfSteps}, {4, 8, 120}};
    case DType::q2_k:
      return {{16, 3, false, 15, 15}, {3, 10, 4}};
    case DType::q3_k:
      return {{16, 8, true, 31}, {6, 8, 6}};
    case DType::q4_k:
      return {{32, 15, false, 63, 63}, {4, 8, 60}};
    case DType::q5_k:
      return {{32, 31, false, 63, 63}, {4, 8, 150}};
    case DType::q6_k:
      return {{16, 64, true, 127}, {4, 8, 100}};
    case DType::iq4_nl:
      return {{32, 16, true, 0}, {5, 8, 40}};
    case DType::iq4_xs:
      return {{32, 16, true, 31}, {20, 20, 40}};
    case DType::iq3_xxs:
      return {{32, 15.5, true, 15}, {80, 110, 130}};
    case DType::iq3_s:
      return {{32, 15, true, 15}, {25, 110, 35}};
    case DType::iq2_xxs:
      return {{32, 4.9, true, 15}, {16, 20, 25}};
    case DType::iq2_xs:
      return {{16, 4.9, true, 15}, {10, 15, 25}};
    case DType::iq2_s:
      return {{16, 4.9, true, 15}, {5, 8, 10}};
    case DType::iq1_s:
      return {{32, 2, true, 7}, {1.5, 3.5, 3}};
    case DType::iq1_m:
      return {{16, 2, true, 7}, {150, 1500, 4.5}};
    case DType::q1_0:
    case DType::q2_0:
    case DType::tq1_0:
    case DType::tq2_0:
    case DType::mxfp4:
    case DType::nvfp4:
      return {{0, 0, false, 0}, {kNearest, kNearest, kNearest}};
    default:
      // Rounding to a mantissa is off by at most three times its foretold square.
      return {{0, 0, false, 0}, {3.5, 3.5, 3.5}};
  }
}

Spacing spacing_of(DType type) noexcept {
  switch (type) {
    case DType::f16:
      return {0x1p-10, 0x1p-24};
    case DType::bf16:
      return {0x1p-7, 0x1p-133};
    default:
      return {0, 0};
  }
}

struct Span {
  double low;  ///< at most 0
  double width;
};

Span span_of(std::span<const float> group, bool symmetric) noexcept {
  double low = 0;
  double high = symmetric ? 0 : static_cast<double>(group.front());
  for (const float value : group) {
    low = std::min(low, static_cast<double>(value));
    high = std::max(high, static_cast<double>(value));
  }
  return {low, symmetric ? 2 * std::max(-low, high) : high - low};
}

double square(double value) noexcept {
  return value * value;
}

double block_noise(const Steps& steps, std::span<const float> piece) noexcept {
  double noise = 0;
  double widest = 0;
  double lowest = 0;
  for (std::size_t at = 0; at < piece.size(); at += steps.group) {
    const auto group = piece.subspan(at, std::min<std::size_t>(steps.group, piece.size() - at));
    const Span span = span_of(group, steps.symmetric);
    const double step = span.width / steps.levels;
    widest = std::max(widest, step);
    lowest = std::min(lowest, span.low);
    noise += static_cast<double>(group.size()) * square(step) / 12;
  }
  // A scale that is a little off moves every value in proportion to its level; the typical level is 0.6 of
  // the top.
  const double level = 0.6 * steps.levels * (steps.symmetric ? 0.5 : 1);
  double each = square(kHalfQuantum * steps.levels * std::max(1.0, steps.scale_levels));
  if (steps.scale_levels > 0) each += square(widest / steps.scale_levels * level) / 12;
  // A minimum that is a little off moves every value by as much, which counts for weights far from zero.
  if (steps.min_levels > 0) each += square(lowest / steps.min_levels) / 12;
  return noise + static_cast<double>(piece.size()) * each;
}

}  // namespace

double foretold_noise(DType type, std::span<const float> piece) noexcept {
  if (takes_nearest_levels(type)) {
    const NearestNoise noise = nearest_level_noise(type, piece);
    return noise.levels + kNearestScale * noise.scale;
  }
  const Steps steps = band_of(type).steps;
  if (steps.group > 0) return block_noise(steps, piece);
  const Spacing spacing = spacing_of(type);
  double noise = 0;
  for (const float value : piece) {
    noise += (square(static_cast<double>(value) * spacing.relative) + square(spacing.smallest)) / 12;
  }
  return noise;
}

bool has_error_band(DType type) noexcept {
  return type == DType::f32 || takes_nearest_levels(type) || spacing_of(type).relative > 0 ||
         band_of(type).steps.group > 0;
}

ErrorLimits error_limits(DType type) noexcept {
  QTZ_CHECK(has_error_band(type));
  return band_of(type).limits;
}

}  // namespace qtz
