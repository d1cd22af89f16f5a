#include "forward/elementwise.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace qtz {

float sigmoid(float x) noexcept {
  return 1.0f / (1.0f + std::exp(-x));
}

float silu(float x) noexcept {
  return x / (1.0f + std::exp(-x));
}

float softplus(float x) noexcept {
  constexpr float kLinear = 20.0f;
  return x > kLinear ? x : std::log1p(std::exp(x));
}

namespace {

float gelu_tanh(float x) noexcept {
  constexpr float kCubic = 0.044715f;
  constexpr float kRoot = 0.79788456080286535588f;  // sqrt(2 / pi)
  return 0.5f * x * (1.0f + std::tanh(kRoot * x * (1.0f + kCubic * x * x)));
}

float gelu(float x) noexcept {
  return 0.5f * x * (1.0f + std::erf(x * static_cast<float>(1.0 / std::numbers::sqrt2)));
}

float xielu_of(const Xielu& xielu, float x) noexcept {
  if (x > 0.0f) return xielu.positive * x * x + xielu.beta * x;
  return (std::expm1(std::min(x, xielu.epsilon)) - x) * xielu.negative + xielu.beta * x;
}

/// Where between stretched and own frequency YaRN puts a pair: 1 keeps its own.
double yarn_share(const Rope& rope, std::uint64_t pair) noexcept {
  const auto corrected = [&](double rotations) {
    return static_cast<double>(rope.dims) *
           std::log(rope.original_context / (rotations * 2.0 * std::numbers::pi)) /
           (2.0 * std::log(rope.base));
  };
  const double fast = corrected(rope.beta_fast);
  const double slow = corrected(rope.beta_slow);
  const double low = std::max(0.0, rope.whole_pairs ? std::floor(fast) : fast);
  const double high =
      std::min(static_cast<double>(rope.dims) - 1.0, rope.whole_pairs ? std::ceil(slow) : slow);
  const double ramp = (static_cast<double>(pair) - low) / std::max(0.001, high - low);
  return 1.0 - std::clamp(ramp, 0.0, 1.0);
}

double frequency(const Rope& rope, std::uint64_t pair) noexcept {
  double own = std::pow(rope.base, -2.0 * static_cast<double>(pair) / static_cast<double>(rope.dims));
  if (!rope.factors.empty()) own /= static_cast<double>(rope.factors[pair]);
  if (rope.yarn_factor > 0.0) {
    const double share = yarn_share(rope, pair);
    return own * share + own / rope.yarn_factor * (1.0 - share);
  }
  return own / rope.linear_factor;
}

}  // namespace

void norm_row(std::span<float> row, NormKind kind, double epsilon, std::span<const float> weight,
              std::span<const float> bias) noexcept {
  double mean = 0.0;
  if (kind == NormKind::layer) {
    for (const float x : row) mean += static_cast<double>(x);
    mean /= static_cast<double>(row.size());
  }
  double square = 0.0;
  for (const float x : row) square += (static_cast<double>(x) - mean) * (static_cast<double>(x) - mean);
  const double scale = 1.0 / std::sqrt(square / static_cast<double>(row.size()) + epsilon);
  for (std::size_t i = 0; i < row.size(); ++i) {
    float x = static_cast<float>((static_cast<double>(row[i]) - mean) * scale);
    if (!weight.empty()) x *= weight[i];
    if (!bias.empty()) x += bias[i];
    row[i] = x;
  }
}

float activated(Activation activation, const Xielu& xielu, float x) noexcept {
  switch (activation) {
    case Activation::silu:
    case Activation::capped_silu:
      return silu(x);
    case Activation::gelu:
      return gelu(x);
    case Activation::gelu_tanh:
      return gelu_tanh(x);
    case Activation::relu:
      return std::max(x, 0.0f);
    case Activation::relu_squared:
      return x > 0.0f ? x * x : 0.0f;
    case Activation::xielu:
      return xielu_of(xielu, x);
  }
  return x;
}

float gated(Activation activation, const Xielu& xielu, float gate, float up) noexcept {
  if (activation != Activation::capped_silu) return activated(activation, xielu, gate) * up;
  constexpr float kLimit = 7.0f;
  constexpr float kSlope = 1.702f;
  const float x = std::min(gate, kLimit);
  return x / (1.0f + std::exp(-kSlope * x)) * (std::clamp(up, -kLimit, kLimit) + 1.0f);
}

RopeTable make_rope_table(const Rope& rope, std::uint64_t positions) {
  RopeTable table;
  if (rope.kind == RopeKind::none) return table;
  table.pairs = rope.dims / 2;
  table.cosines.reserve(positions * table.pairs);
  table.sines.reserve(positions * table.pairs);
  std::vector<double> frequencies;
  for (std::uint64_t pair = 0; pair < table.pairs; ++pair) frequencies.push_back(frequency(rope, pair));
  for (std::uint64_t position = 0; position < positions; ++position) {
    for (const double each : frequencies) {
      const double angle = static_cast<double>(position) * each;
      table.cosines.push_back(static_cast<float>(std::cos(angle) * rope.magnitude));
      table.sines.push_back(static_cast<float>(std::sin(angle) * rope.magnitude));
    }
  }
  return table;
}

void turn(std::span<float> head, const RopeTable& table, RopeKind kind, std::uint64_t position) noexcept {
  const float* cosines = table.cosines.data() + position * table.pairs;
  const float* sines = table.sines.data() + position * table.pairs;
  for (std::uint64_t pair = 0; pair < table.pairs; ++pair) {
    float& a = kind == RopeKind::neighbours ? head[2 * pair] : head[pair];
    float& b = kind == RopeKind::neighbours ? head[2 * pair + 1] : head[pair + table.pairs];
    const float x = a;
    const float y = b;
    a = x * cosines[pair] - y * sines[pair];
    b = x * sines[pair] + y * cosines[pair];
  }
}

}  // namespace qtz
