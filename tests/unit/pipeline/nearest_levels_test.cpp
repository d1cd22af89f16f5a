// What is foretold of the types without a search against what their encoders really lose.
#include "pipeline/nearest_levels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "pipeline/error_bands.h"
#include "qtz/kernels/backend.h"

namespace qtz {
namespace {

constexpr DType kTypes[] = {DType::q1_0, DType::q2_0, DType::tq1_0, DType::tq2_0, DType::mxfp4, DType::nvfp4};

std::vector<float> stored_as(DType type, const std::vector<float>& weights) {
  const Backend& scalar = select_backend("scalar");
  std::vector<std::byte> bytes(row_bytes(type, weights.size()));
  std::vector<float> decoded(weights.size());
  scalar.encode(type, weights.data(), nullptr, 1, weights.size(), bytes.data());
  scalar.decode(type, bytes.data(), decoded.data(), decoded.size());
  return decoded;
}

/// Squared error over the foretold one.
double noise_ratio(DType type, const std::vector<float>& weights, const std::vector<float>& stored) {
  double noise = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    noise += std::pow(static_cast<double>(weights[i]) - static_cast<double>(stored[i]), 2);
  }
  return noise == 0 ? 0 : noise / foretold_noise(type, weights);
}

TEST(NearestLevels, ForetellTheErrorOfSoundPiecesOfAnyKind) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::student_t_distribution<float> heavy(3);
  const std::function<float()> shapes[] = {
      [&] { return normal(random); },
      [&] { return heavy(random); },
      [&] { return static_cast<float>(static_cast<int>(random() % 3) - 1); },
      [&] { return random() % 10 == 0 ? normal(random) : 0.0f; },
      [&] { return 1.0f + 0.01f * normal(random); },
      [&] { return random() % 2 == 0 ? 0.999f : -0.3f; },
      [&] { return std::nextafter(1.0f, 0.0f) - static_cast<float>(random() % 64) * 0x1p-24f; },
      [] { return 0.37f; },
      [] { return 0.0f; },
  };
  for (const DType type : kTypes) {
    for (std::size_t shape = 0; shape < std::size(shapes); ++shape) {
      for (int exponent = -149; exponent <= 8; ++exponent) {
        std::vector<float> weights(256);
        for (float& weight : weights) weight = std::ldexp(0.03f * shapes[shape](), exponent);
        EXPECT_LE(noise_ratio(type, weights, stored_as(type, weights)), error_limits(type).piece)
            << name_of(type) << ", shape " << shape << ", times 2^" << exponent;
      }
    }
  }
}

TEST(NearestLevels, OfOtherWeightsOfTheSameKindAreFarOutsideTheBand) {
  std::mt19937 random(4);
  std::normal_distribution<float> normal(0, 0.02f);
  for (const DType type : kTypes) {
    double lowest = std::numeric_limits<double>::infinity();
    std::vector<float> before(256), weights(256);
    for (float& weight : before) weight = normal(random);
    for (int row = 0; row < 100; ++row) {
      for (float& weight : weights) weight = normal(random);
      lowest = std::min(lowest, noise_ratio(type, weights, stored_as(type, before)));
      before.swap(weights);
    }
    EXPECT_GT(lowest, 1.5 * error_limits(type).piece) << name_of(type);
  }
}

TEST(NearestLevels, OfNvfp4DoNotAllowForWeightsBeyondItsScales) {
  std::vector<float> weights(256, 1.0f);
  weights[7] = 2688.0f;
  EXPECT_LE(noise_ratio(DType::nvfp4, weights, stored_as(DType::nvfp4, weights)), 1.1);
  weights[7] = 5376.0f;
  EXPECT_GT(noise_ratio(DType::nvfp4, weights, stored_as(DType::nvfp4, weights)), 100);
}

}  // namespace
}  // namespace qtz
