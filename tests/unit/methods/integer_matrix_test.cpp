#include "qtz/methods/integer_matrix.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "qtz/core/half.h"

namespace qtz {
namespace {

std::vector<float> some_weights(std::uint64_t count, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::vector<float> out;
  for (std::uint64_t i = 0; i < count; ++i) {
    // About normal, by the same operations everywhere.
    float sum = 0.0f;
    for (int k = 0; k < 6; ++k) sum += static_cast<float>(random() >> 8) / 16777216.0f;
    out.push_back(0.05f * (sum - 3.0f));
  }
  return out;
}

IntegerMatrix quantize(const std::vector<float>& weights, std::uint64_t rows, std::uint64_t cols,
                       const IntegerScheme& scheme, const InputKnowledge& inputs = {},
                       const Backend& backend = select_backend(""), unsigned threads = 2) {
  return quantize_matrix(weights, rows, cols, scheme, inputs, backend, threads, CancelToken());
}

double squared_error(const std::vector<float>& weights, const IntegerMatrix& found) {
  const std::vector<float> back = found.weights();
  double sum = 0.0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const double error = static_cast<double>(back[i]) - static_cast<double>(weights[i]);
    sum += error * error;
  }
  return sum;
}

/// Round to nearest with a scale that the largest magnitude gives: what other tools do without a search.
double plain_error(const std::vector<float>& weights, std::uint64_t cols, const IntegerScheme& scheme) {
  const std::uint64_t group = scheme.group_size == 0 ? cols : scheme.group_size;
  const double half = std::pow(2.0, scheme.bits - 1);
  double sum = 0.0;
  for (std::size_t first = 0; first < weights.size();) {
    const std::size_t last = std::min(first + group, first / cols * cols + cols);
    double largest = 0.0;
    for (std::size_t i = first; i < last; ++i)
      largest = std::max(largest, std::fabs(static_cast<double>(weights[i])));
    const double scale = largest / (half - 0.5);
    for (std::size_t i = first; i < last; ++i) {
      const double level = std::clamp(std::nearbyint(weights[i] / scale), -half, half - 1);
      sum += std::pow(scale * level - weights[i], 2);
    }
    first = last;
  }
  return sum;
}

struct SchemeCase {
  unsigned bits;
  std::uint64_t group;
  bool symmetric;
  bool bf16;
};

class Schemes : public testing::TestWithParam<SchemeCase> {
 protected:
  IntegerScheme scheme() const {
    return {.bits = GetParam().bits,
            .group_size = GetParam().group,
            .symmetric = GetParam().symmetric,
            .bf16_scales = GetParam().bf16};
  }
};

TEST_P(Schemes, lose_less_than_scales_of_the_largest_magnitude) {
  constexpr std::uint64_t kRows = 70, kCols = 200;
  const std::vector<float> weights = some_weights(kRows * kCols);
  const IntegerMatrix found = quantize(weights, kRows, kCols, scheme());
  const double error = squared_error(weights, found);
  EXPECT_NEAR(found.loss, error, 1e-4 * error);
  EXPECT_LT(error, plain_error(weights, kCols, scheme()));
  const unsigned top = (1U << scheme().bits) - 1;
  EXPECT_LE(*std::max_element(found.codes.begin(), found.codes.end()), top);
  EXPECT_LE(*std::max_element(found.zeros.begin(), found.zeros.end()), top);
  for (const float scale : found.scales) {
    EXPECT_EQ(scale, scheme().bf16_scales ? bf16_to_f32(f32_to_bf16(scale)) : f16_to_f32(f32_to_f16(scale)));
  }
  if (!scheme().symmetric) return;
  for (const std::uint8_t zero : found.zeros) ASSERT_EQ(zero, 1U << (scheme().bits - 1));
}

TEST_P(Schemes, are_the_same_on_every_backend_and_with_any_number_of_threads) {
  constexpr std::uint64_t kRows = 130, kCols = 96;
  const std::vector<float> weights = some_weights(kRows * kCols, 2);
  std::vector<float> factor(kCols * kCols);
  const std::vector<float> noise = some_weights(kCols * kCols, 3);
  for (std::uint64_t i = 0; i < kCols; ++i) {
    for (std::uint64_t j = i; j < kCols; ++j)
      factor[i * kCols + j] = i == j ? 1.0f + noise[i] : noise[i * kCols + j];
  }
  std::vector<float> importance(kCols);
  for (std::uint64_t i = 0; i < kCols; ++i) importance[i] = 1.0f + 10.0f * noise[i];
  const InputKnowledge inputs{.importance = importance, .factor = factor};
  const IntegerMatrix expected =
      quantize(weights, kRows, kCols, scheme(), inputs, select_backend("scalar"), 1);
  for (const Backend& backend : list_backends()) {
    if (!backend.supported) continue;
    const IntegerMatrix found = quantize(weights, kRows, kCols, scheme(), inputs, backend, 3);
    EXPECT_EQ(found.codes, expected.codes) << backend.name;
    EXPECT_EQ(found.zeros, expected.zeros) << backend.name;
    EXPECT_EQ(found.scales, expected.scales) << backend.name;
    EXPECT_EQ(found.loss, expected.loss) << backend.name;
  }
}

INSTANTIATE_TEST_SUITE_P(IntegerMatrix, Schemes,
                         testing::Values(SchemeCase{4, 32, true, false}, SchemeCase{4, 128, false, false},
                                         SchemeCase{3, 64, true, true}, SchemeCase{2, 16, false, true},
                                         SchemeCase{8, 0, true, false}, SchemeCase{4, 0, true, false}));

TEST(IntegerMatrix, zeros_give_zeros) {
  const std::vector<float> weights(64 * 32, 0.0f);
  for (const bool symmetric : {true, false}) {
    const IntegerMatrix found =
        quantize(weights, 64, 32, {.bits = 4, .group_size = 32, .symmetric = symmetric});
    EXPECT_EQ(found.weights(), weights);
    for (const float scale : found.scales) EXPECT_EQ(scale, 1.0f);
  }
}

TEST(IntegerMatrix, weights_on_the_grid_come_back_as_they_are) {
  std::vector<float> weights;
  for (int i = 0; i < 32; ++i) weights.push_back(0.25f * static_cast<float>(i % 16 - 8));
  EXPECT_EQ(quantize(weights, 1, 32, {.bits = 4, .group_size = 32}).weights(), weights);
  // An upper end that is further away than the lower one: the scale is negative.
  for (float& weight : weights) weight = -weight;
  EXPECT_EQ(quantize(weights, 1, 32, {.bits = 4, .group_size = 32}).weights(), weights);
  for (float& weight : weights) weight += 1.0f;
  EXPECT_EQ(quantize(weights, 1, 32, {.bits = 4, .group_size = 32, .symmetric = false}).weights(), weights);
}

/// The inputs' second moments, damped, and the factor that quantize_matrix() takes, by the definition.
struct Curvature {
  std::vector<double> hessian;
  std::vector<float> factor;
};
Curvature curvature_of(std::uint64_t cols) {
  // Inputs with a common part, so that columns can make up for each other.
  const std::uint64_t samples = 4 * cols;
  const std::vector<float> own = some_weights(samples * cols, 5);
  const std::vector<float> common = some_weights(samples, 6);
  Curvature out;
  out.hessian.assign(cols * cols, 0.0);
  for (std::uint64_t s = 0; s < samples; ++s) {
    for (std::uint64_t i = 0; i < cols; ++i) {
      for (std::uint64_t j = 0; j < cols; ++j) {
        const double a = own[s * cols + i] + 2.0f * common[s];
        const double b = own[s * cols + j] + 2.0f * common[s];
        out.hessian[i * cols + j] += a * b;
      }
    }
  }
  for (std::uint64_t i = 0; i < cols; ++i) out.hessian[i * cols + i] *= 1.01;
  // Gauss-Jordan for the inverse, then its upper factor row by row.
  std::vector<double> a = out.hessian;
  std::vector<double> inverse(cols * cols, 0.0);
  for (std::uint64_t i = 0; i < cols; ++i) inverse[i * cols + i] = 1.0;
  for (std::uint64_t i = 0; i < cols; ++i) {
    const double pivot = a[i * cols + i];
    for (std::uint64_t j = 0; j < cols; ++j) a[i * cols + j] /= pivot, inverse[i * cols + j] /= pivot;
    for (std::uint64_t r = 0; r < cols; ++r) {
      if (r == i) continue;
      const double f = a[r * cols + i];
      for (std::uint64_t j = 0; j < cols; ++j) {
        a[r * cols + j] -= f * a[i * cols + j];
        inverse[r * cols + j] -= f * inverse[i * cols + j];
      }
    }
  }
  std::vector<double> upper(cols * cols, 0.0);
  for (std::uint64_t i = 0; i < cols; ++i) {
    for (std::uint64_t j = i; j < cols; ++j) {
      double sum = inverse[i * cols + j];
      for (std::uint64_t k = 0; k < i; ++k) sum -= upper[k * cols + i] * upper[k * cols + j];
      upper[i * cols + j] = i == j ? std::sqrt(sum) : sum / upper[i * cols + i];
    }
  }
  out.factor.assign(upper.begin(), upper.end());
  return out;
}

/// Sum over the rows of e^T H e.
double output_error(const std::vector<float>& weights, const IntegerMatrix& found,
                    const std::vector<double>& hessian) {
  const std::vector<float> back = found.weights();
  double sum = 0.0;
  for (std::uint64_t r = 0; r < found.rows; ++r) {
    for (std::uint64_t i = 0; i < found.cols; ++i) {
      for (std::uint64_t j = 0; j < found.cols; ++j) {
        sum += static_cast<double>(back[r * found.cols + i] - weights[r * found.cols + i]) *
               hessian[i * found.cols + j] *
               static_cast<double>(back[r * found.cols + j] - weights[r * found.cols + j]);
      }
    }
  }
  return sum;
}

TEST(IntegerMatrix, later_columns_make_up_for_errors) {
  constexpr std::uint64_t kRows = 16, kCols = 64;
  const std::vector<float> weights = some_weights(kRows * kCols, 4);
  const Curvature curvature = curvature_of(kCols);
  const IntegerScheme scheme{.bits = 3, .group_size = 32};
  const double rounded = output_error(weights, quantize(weights, kRows, kCols, scheme), curvature.hessian);
  const IntegerMatrix found = quantize(weights, kRows, kCols, scheme, {.factor = curvature.factor});
  const double made_up = output_error(weights, found, curvature.hessian);
  EXPECT_LT(made_up, 0.5 * rounded);
  // The loop's losses are that error, column by column.
  EXPECT_NEAR(found.loss, made_up, 1e-3 * made_up);
}

TEST(IntegerMatrix, refining_lowers_the_error_and_says_what_is_left) {
  constexpr std::uint64_t kRows = 16, kCols = 64;
  const std::vector<float> weights = some_weights(kRows * kCols, 4);
  const Curvature curvature = curvature_of(kCols);
  const std::vector<float> hessian(curvature.hessian.begin(), curvature.hessian.end());
  for (const bool symmetric : {true, false}) {
    const IntegerScheme scheme{.bits = 3, .group_size = 32, .symmetric = symmetric};
    InputKnowledge inputs{.factor = curvature.factor};
    double before = output_error(weights, quantize(weights, kRows, kCols, scheme, inputs), curvature.hessian);
    inputs.hessian = hessian;
    for (const unsigned sweeps : {1U, 4U}) {
      inputs.sweeps = sweeps;
      const IntegerMatrix found = quantize(weights, kRows, kCols, scheme, inputs);
      const double after = output_error(weights, found, curvature.hessian);
      EXPECT_LT(after, before);
      EXPECT_NEAR(found.loss, after, 1e-3 * after);
      before = after;
    }
  }
}

TEST(IntegerMatrix, refining_is_the_same_on_every_backend_and_with_any_number_of_threads) {
  constexpr std::uint64_t kRows = 130, kCols = 96;
  const std::vector<float> weights = some_weights(kRows * kCols, 2);
  const Curvature curvature = curvature_of(kCols);
  const std::vector<float> hessian(curvature.hessian.begin(), curvature.hessian.end());
  std::vector<std::uint32_t> order(kCols);
  for (std::uint32_t i = 0; i < kCols; ++i) order[i] = i ^ 5U;
  for (const bool mixed : {false, true}) {  // groups of columns that follow each other, and that do not
    InputKnowledge inputs{.factor = curvature.factor};
    inputs.hessian = hessian;
    inputs.sweeps = 2;
    if (mixed) inputs.order = order;
    inputs.fixed_scales = mixed;
    const IntegerScheme scheme{.bits = 4, .group_size = 16};
    const IntegerMatrix expected =
        quantize(weights, kRows, kCols, scheme, inputs, select_backend("scalar"), 1);
    for (const Backend& backend : list_backends()) {
      if (!backend.supported) continue;
      const IntegerMatrix found = quantize(weights, kRows, kCols, scheme, inputs, backend, 3);
      EXPECT_EQ(found.codes, expected.codes) << backend.name;
      EXPECT_EQ(found.scales, expected.scales) << backend.name;
      EXPECT_EQ(found.loss, expected.loss) << backend.name;
    }
  }
}

}  // namespace
}  // namespace qtz
