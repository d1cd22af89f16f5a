#include "reference/scale_search_ref.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "reference/ref_math.h"

namespace qtz::reference {
namespace {

constexpr float kAllButZero = 1e-15F;
constexpr int kDescentRounds = 5;

/// The element of largest magnitude, the first of equals; 0 if there is none.
float signed_extreme(int n, const float* x) {
  float extreme = 0;
  for (int i = 0; i < n; ++i) {
    if (std::fabs(x[i]) > std::fabs(extreme)) extreme = x[i];
  }
  return extreme;
}

struct Projection {
  float xq = 0;  ///< sum of w * x * q
  float qq = 0;  ///< sum of w * q * q
};

float weight_at(const float* x, const float* weight, int i) {
  return weight != nullptr ? weight[i] : x[i] * x[i];
}

int signed_level(float inverse, float x, int levels) {
  return clamp(round_even(inverse * x), -levels, levels - 1);
}

Projection project(int n, int levels, const float* x, const float* weight, float inverse) {
  Projection sums;
  for (int i = 0; i < n; ++i) {
    const auto q = static_cast<float>(signed_level(inverse, x[i], levels));
    const float w = weight_at(x, weight, i);
    sums.xq += w * x[i] * q;
    sums.qq += w * q * q;
  }
  return sums;
}

}  // namespace

float search_signed_scale(int n, int levels, const float* x, const float* weight, int* q) {
  const float extreme = signed_extreme(n, x);
  std::fill(q, q + n, 0);
  if (std::fabs(extreme) < kAllButZero) return 0;

  const auto top = static_cast<float>(levels);
  float winner = -top / extreme;
  const Projection full = project(n, levels, x, weight, winner);
  float scale = full.qq != 0 ? full.xq / full.qq : 0.0F;
  float best = scale * full.xq;
  for (int k = -9; k <= 9; ++k) {
    if (k == 0) continue;
    const float inverse = -(top + 0.1F * static_cast<float>(k)) / extreme;
    const Projection sums = project(n, levels, x, weight, inverse);
    if (sums.qq > 0 && sums.xq * sums.xq > best * sums.qq) {
      winner = inverse;
      scale = sums.xq / sums.qq;
      best = scale * sums.xq;
    }
  }
  for (int i = 0; i < n; ++i) q[i] = levels + signed_level(winner, x[i], levels);
  return scale;
}

AffineFit search_affine(int n, const AffineGrid& grid, const float* x, const float* weight, int* q) {
  float low = x[0];
  float high = x[0];
  float sum_w = weight[0];
  float sum_x = weight[0] * x[0];
  for (int i = 1; i < n; ++i) {
    if (x[i] < low) low = x[i];
    if (x[i] > high) high = x[i];
    sum_w += weight[i];
    sum_x += weight[i] * x[i];
  }
  if (low > 0) low = 0;
  std::fill(q, q + n, 0);
  if (high == low) return {0, -low};

  const auto top = static_cast<float>(grid.levels);
  std::vector<int> trial(static_cast<std::size_t>(n));
  const auto assign_levels = [&](float inverse) {
    for (int i = 0; i < n; ++i) {
      trial[static_cast<std::size_t>(i)] = clamp(round_even(inverse * (x[i] - low)), 0, grid.levels);
    }
  };
  const auto error_of = [&](float scale, float minimum) {
    float total = 0;
    for (int i = 0; i < n; ++i) {
      const float miss = scale * static_cast<float>(trial[static_cast<std::size_t>(i)]) + minimum - x[i];
      total += weight[i] * (grid.absolute_error ? std::fabs(miss) : miss * miss);
    }
    return total;
  };

  // `low` is the best minimum so far: a better fit moves the range that the following candidates divide.
  const float full_inverse = top / (high - low);
  float best_scale = 1 / full_inverse;
  assign_levels(full_inverse);
  float best_error = error_of(best_scale, low);
  std::copy(trial.begin(), trial.end(), q);

  for (int k = 0; k <= grid.last; ++k) {
    assign_levels((grid.first + grid.step * static_cast<float>(k) + top) / (high - low));
    float sum_q = 0;
    float sum_qq = 0;
    float sum_xq = 0;
    for (int i = 0; i < n; ++i) {
      const auto level = static_cast<float>(trial[static_cast<std::size_t>(i)]);
      sum_q += weight[i] * level;
      sum_qq += weight[i] * level * level;
      sum_xq += weight[i] * level * x[i];
    }
    const float determinant = sum_w * sum_qq - sum_q * sum_q;
    if (!(determinant > 0)) continue;
    float scale = (sum_w * sum_xq - sum_x * sum_q) / determinant;
    float minimum = (sum_qq * sum_x - sum_q * sum_xq) / determinant;
    if (minimum > 0) {
      minimum = 0;
      scale = sum_xq / sum_qq;
    }
    const float error = error_of(scale, minimum);
    if (error < best_error) {
      best_error = error;
      best_scale = scale;
      low = minimum;
      std::copy(trial.begin(), trial.end(), q);
    }
  }
  return {best_scale, -low};
}

float search_positive_scale(int n, int levels, const float* x, const float* weight, int* q) {
  float high = 0;
  for (int i = 0; i < n; ++i) high = std::max(high, x[i]);
  std::fill(q, q + n, 0);
  if (high < kAllButZero) return 0;

  const auto top = static_cast<float>(levels);
  const auto error_of = [&](float scale) {
    float total = 0;
    for (int i = 0; i < n; ++i) {
      const float miss = x[i] - scale * static_cast<float>(q[i]);
      total += weight[i] * miss * miss;
    }
    return total;
  };

  float winner = top / high;
  for (int i = 0; i < n; ++i) q[i] = low_byte(round_even(winner * x[i]));
  float best_error = error_of(1 / winner);
  for (int k = -4; k <= 4; ++k) {
    if (k == 0) continue;
    const float inverse = (0.1F * static_cast<float>(k) + top) / high;
    for (int i = 0; i < n; ++i) q[i] = std::min(levels, round_even(inverse * x[i]));
    const float error = error_of(1 / inverse);
    if (error < best_error) {
      best_error = error;
      winner = inverse;
    }
  }

  Projection sums;
  for (int i = 0; i < n; ++i) {
    const int level = std::min(levels, round_even(winner * x[i]));
    q[i] = low_byte(level);
    sums.xq += weight[i] * x[i] * static_cast<float>(level);
    sums.qq += weight[i] * static_cast<float>(level) * static_cast<float>(level);
  }
  for (int round = 0; round < kDescentRounds; ++round) {
    bool changed = false;
    for (int i = 0; i < n; ++i) {
      const auto old_level = static_cast<float>(q[i]);
      Projection rest{sums.xq - weight[i] * x[i] * old_level, sums.qq - weight[i] * old_level * old_level};
      if (!(rest.xq > 0 && rest.qq > 0)) continue;
      const int level = std::min(levels, round_even(x[i] * rest.qq / rest.xq));
      if (level == q[i]) continue;
      rest.xq += weight[i] * x[i] * static_cast<float>(level);
      rest.qq += weight[i] * static_cast<float>(level) * static_cast<float>(level);
      if (rest.xq * rest.xq * sums.qq > sums.xq * sums.xq * rest.qq) {
        q[i] = low_byte(level);
        sums = rest;
        changed = true;
      }
    }
    if (!changed) break;
  }
  return sums.qq > 0 ? sums.xq / sums.qq : 0.0F;
}

float descend_signed_scale(int n, int levels, const float* x, int* q) {
  const float extreme = signed_extreme(n, x);
  std::fill(q, q + n, 0);
  if (std::fabs(extreme) < kAllButZero) return 0;

  const float inverse = -static_cast<float>(levels) / extreme;
  for (int i = 0; i < n; ++i) q[i] = signed_level(inverse, x[i], levels);
  Projection sums = project(n, levels, x, nullptr, inverse);
  for (int round = 0; round < kDescentRounds; ++round) {
    bool changed = false;
    for (int i = 0; i < n; ++i) {
      const float w = x[i] * x[i];
      const auto old_level = static_cast<float>(q[i]);
      Projection rest{sums.xq - w * x[i] * old_level, sums.qq - w * old_level * old_level};
      if (!(rest.xq > 0)) continue;
      const int level = clamp(round_even(x[i] * rest.qq / rest.xq), -levels, levels - 1);
      if (level == q[i]) continue;
      rest.xq += w * x[i] * static_cast<float>(level);
      rest.qq += w * static_cast<float>(level) * static_cast<float>(level);
      if (rest.qq > 0 && rest.xq * rest.xq * sums.qq > sums.xq * sums.xq * rest.qq) {
        q[i] = level;
        sums = rest;
        changed = true;
      }
    }
    if (!changed) break;
  }
  for (int i = 0; i < n; ++i) q[i] += levels;
  return sums.qq > 0 ? sums.xq / sums.qq : 0.0F;
}

}  // namespace qtz::reference
