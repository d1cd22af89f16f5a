// Rows made to break encoders: ties, plateaus, constants, lone outliers, blocks far from zero, subnormals,
// magnitudes beyond FP16, and importance with zeros. Searches that skip work by a bound are most easily wrong
// on these.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace qtz::testing_kernels {

class AdversarialRows {
 public:
  explicit AdversarialRows(std::uint32_t seed) : engine_(seed) {}

  /// Fills one row; each row has a shape and a scale of its own.
  void fill(std::span<float> row) {
    const int shape = below(kShapes);
    const int exponent = shape == kAnyMagnitude ? below(230) - 130 : below(50) - 35;
    const float scale = std::ldexp(1.0f, exponent);
    const float center = 10.0f * bell();
    const auto phase = static_cast<std::uint32_t>(engine_());
    for (std::size_t i = 0; i < row.size(); ++i) {
      const int local = shape == kMixed ? static_cast<int>((i / 16 + phase) % kMixed) : shape;
      row[i] = scale * value(local, i, phase, center);
    }
  }

  /// Fills weights >= 0, often with zeros, sometimes spanning many magnitudes.
  void fill_importance(std::span<float> weights) {
    const int kind = below(7);
    for (float& w : weights) {
      switch (kind) {
        case 0:
          w = 1.0f;
          break;
        case 1:
          w = uniform();
          break;
        case 2:
          w = uniform() < 0.6f ? 0.0f : uniform();
          break;
        case 3:
          w = std::ldexp(uniform(), below(12));
          break;
        case 4:
          w = uniform() < 0.95f ? 0.0f : 1.0f;
          break;
        case 5:
          w = std::ldexp(uniform(), below(80) - 40);
          break;
        default:
          w = 0.0f;
          break;
      }
    }
    if (kind == 6) weights[static_cast<std::size_t>(below(static_cast<int>(weights.size())))] = 1.0f;
  }

  int below(int count) {
    return static_cast<int>(static_cast<std::uint32_t>(engine_()) % static_cast<std::uint32_t>(count));
  }

 private:
  static constexpr int kMixed = 16;  ///< another of the shapes before it every 16 elements
  static constexpr int kAnyMagnitude = 17;
  static constexpr int kShapes = 18;

  float uniform() { return static_cast<float>(engine_() >> 8) * 0x1p-24f; }
  float bell() { return 2.0f * (uniform() + uniform() + uniform() + uniform() - 2.0f); }

  float value(int shape, std::size_t i, std::uint32_t phase, float center) {
    switch (shape) {
      case 0:
        return bell();
      case 1:
        return bell() / (0.02f + uniform());  // heavy tails
      case 2:
        return i % 32 == phase % 32 ? 100.0f : 0.01f * bell();  // one outlier
      case 3:
        return static_cast<float>(static_cast<int>(i / 16 % 3) - 1);  // constants
      case 4:
        return std::floor(3.0f * bell());  // ties
      case 5:
        return std::floor(3.0f * bell()) + 10.0f;  // ties, all positive
      case 6:
        return uniform() < 0.7f ? 0.0f : bell();  // mostly zero
      case 7:
        return uniform() < 0.5f ? 0.0f : -0.0f;  // nothing at all
      case 8:
        return std::fabs(bell());  // one sign
      case 9:
        return -std::fabs(bell()) - 3.0f;  // the other
      case 10:
        return 0.5f * static_cast<float>(below(33) - 16);  // exactly halfway
      case 11:
        return center + 1e-4f * bell();  // far from zero
      case 12:
        return center + 1e-6f * bell();
      case 13:
        return static_cast<float>(below(16)) - (phase % 2 == 0 ? 7.0f : 0.0f);  // a perfect grid
      case 14:
        return i / 32 % 2 == 0 ? bell() : 1e-9f * bell();  // uneven blocks
      case 15:
        return i % 16 < 8 ? 1.0f : 1.0f + 1e-6f * static_cast<float>(below(3));  // plateaus
      default:
        return bell();
    }
  }

  std::mt19937 engine_;
};

}  // namespace qtz::testing_kernels
