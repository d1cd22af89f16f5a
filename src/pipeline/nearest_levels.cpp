#include "nearest_levels.h"

#include <algorithm>
#include <cmath>

namespace qtz {
namespace {

using Group = std::span<const float>;

double square(double value) noexcept {
  return value * value;
}

float largest_of(Group group) noexcept {
  float largest = 0;
  for (const float value : group) largest = std::max(largest, std::fabs(value));
  return largest;
}

/// How far a scale stored as FP16 may be from what it was.
double half_rounding(double scale) noexcept {
  return std::max(scale * 0x1p-11, 0x1p-25);
}

/// d and -d, d being the mean magnitude.
NearestNoise of_signs(Group group) noexcept {
  double sum = 0;
  for (const float value : group) sum += std::fabs(static_cast<double>(value));
  const double d = sum / static_cast<double>(group.size());
  NearestNoise noise;
  for (const float value : group) noise.levels += square(std::fabs(static_cast<double>(value)) - d);
  noise.scale = static_cast<double>(group.size()) * square(half_rounding(d));
  return noise;
}

/// d, 0 and -d, d being the largest magnitude.
NearestNoise of_ternary(Group group) noexcept {
  const auto d = static_cast<double>(largest_of(group));
  NearestNoise noise;
  for (const float value : group) {
    const double size = std::fabs(static_cast<double>(value));
    noise.levels += square(std::min(size, d - size));
  }
  noise.scale = static_cast<double>(group.size()) * square(half_rounding(d));
  return noise;
}

/// The levels of E2M1 (0, 0.5, 1, 1.5, 2, 3, 4, 6) times a scale.
double e2m1_noise(Group group, double scale) noexcept {
  double noise = 0;
  for (const float value : group) {
    const double size = std::fabs(static_cast<double>(value)) / scale;
    const double step = size < 2 ? 0.5 : size < 4 ? 1 : 2;
    const double level = std::min(std::nearbyint(size / step) * step, 6.0);
    noise += square((size - level) * scale);
  }
  return noise;
}

/// Scales are powers of two, at least 2^-127; the largest weight is then 4 to 8 of them.
NearestNoise of_mxfp4(Group group) noexcept {
  const auto largest = static_cast<double>(largest_of(group));
  NearestNoise noise;
  if (largest < 0x1p-125) {  // there the exponent has left its range, and all levels are zero
    for (const float value : group) noise.levels += square(static_cast<double>(value));
    return noise;
  }
  const double scale = std::exp2(static_cast<double>(std::ilogb(largest) - 2));
  noise.levels = e2m1_noise(group, scale);
  // Just below 8 scales the logarithm may have been rounded up.
  constexpr double kAlmostEight = 8 * (1 - 0x1p-16);
  if (largest >= kAlmostEight * scale) {
    noise.levels = std::max(noise.levels, e2m1_noise(group, 2 * scale));
  }
  return noise;
}

/// Scales are the largest magnitude / 6 as E4M3: three bits after the point, halves up, and below 2^-6 a
/// multiple of 2^-9. Weights that are too large for that are not allowed for.
NearestNoise of_nvfp4(Group group) noexcept {
  const float wanted = largest_of(group) / 6.0f;
  const float step = wanted < 0x1p-6f ? 0x1p-9f : std::ldexp(1.0f, std::ilogb(wanted) - 3);
  float scale = std::floor(wanted / step + 0.5f) * step;
  if (wanted < 0x1p-6f) scale = std::min(scale, 7 * step);
  NearestNoise noise;
  if (scale > 0) {
    noise.levels = e2m1_noise(group, static_cast<double>(scale));
  } else {
    for (const float value : group) noise.levels += square(static_cast<double>(value));
  }
  return noise;
}

struct Rule {
  std::size_t group;
  NearestNoise (*noise)(Group) noexcept;
};

Rule rule_of(DType type) noexcept {
  switch (type) {
    case DType::q1_0:
      return {128, of_signs};
    case DType::q2_0:
      return {64, of_ternary};
    case DType::tq1_0:
    case DType::tq2_0:
      return {256, of_ternary};
    case DType::mxfp4:
      return {32, of_mxfp4};
    case DType::nvfp4:
      return {16, of_nvfp4};
    default:
      return {0, nullptr};
  }
}

}  // namespace

bool takes_nearest_levels(DType type) noexcept {
  return rule_of(type).group > 0;
}

NearestNoise nearest_level_noise(DType type, Group piece) noexcept {
  const Rule rule = rule_of(type);
  NearestNoise sum;
  for (std::size_t at = 0; at < piece.size(); at += rule.group) {
    const NearestNoise noise = rule.noise(piece.subspan(at, std::min(rule.group, piece.size() - at)));
    sum.levels += noise.levels;
    sum.scale += noise.scale;
  }
  return sum;
}

}  // namespace qtz
