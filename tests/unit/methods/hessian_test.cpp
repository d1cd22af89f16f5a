#include "qtz/methods/hessian.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "support/expect_error.h"

namespace qtz {
namespace {

/// Inputs with a common part; input `dead`, if there is one, is always 0.
std::vector<float> inputs(std::uint64_t rows, std::uint64_t cols, std::uint64_t dead = ~std::uint64_t{0}) {
  std::mt19937 random(7);
  const auto number = [&] { return static_cast<float>(random() >> 8) / 8388608.0f - 1.0f; };
  std::vector<float> values;
  for (std::uint64_t r = 0; r < rows; ++r) {
    const float common = number();
    for (std::uint64_t c = 0; c < cols; ++c)
      values.push_back(c == dead ? 0.0f : (common + number()) * (1.0f + static_cast<float>(c % 5)));
  }
  return values;
}

Hessian hessian_of(const std::vector<float>& values, std::uint64_t cols) {
  Hessian hessian(cols);
  hessian.add(values.data(), values.size() / cols, 2, CancelToken());
  return hessian;
}

TEST(Hessian, sums_products_of_inputs) {
  constexpr std::uint64_t kRows = 2500, kCols = 300;
  const std::vector<float> values = inputs(kRows, kCols);
  const Hessian hessian = hessian_of(values, kCols);
  EXPECT_EQ(hessian.rows(), kRows);
  for (const auto& [i, j] :
       {std::pair<std::uint64_t, std::uint64_t>{0, 0}, {3, 299}, {255, 256}, {299, 299}}) {
    double sum = 0.0;
    for (std::uint64_t r = 0; r < kRows; ++r)
      sum += static_cast<double>(values[r * kCols + i]) * static_cast<double>(values[r * kCols + j]);
    EXPECT_NEAR(hessian.upper(i, j), sum, 1e-5 * std::fabs(sum)) << i << ", " << j;
  }
}

TEST(Hessian, is_the_same_in_pieces_and_with_any_number_of_threads) {
  constexpr std::uint64_t kCols = 300, kPiece = 2048;
  const std::vector<float> values = inputs(3 * kPiece, kCols);
  const Hessian whole = hessian_of(values, kCols);
  Hessian pieces(kCols);
  for (std::uint64_t first = 0; first < 3 * kPiece; first += kPiece)
    pieces.add(values.data() + first * kCols, kPiece, 1, CancelToken());
  for (std::uint64_t i = 0; i < kCols; ++i) {
    for (std::uint64_t j = i; j < kCols; ++j) ASSERT_EQ(whole.upper(i, j), pieces.upper(i, j));
  }
}

TEST(Hessian, refuses_inputs_that_are_no_numbers) {
  std::vector<float> values = inputs(10, 40);
  values[3 * 40 + 17] = std::numeric_limits<float>::quiet_NaN();
  test::expect_error(ErrorKind::numeric, "input 17", [&] { hessian_of(values, 40); });
}

/// U^T U times the damped moments, in the factor's order, is the identity.
void expect_inverse(const Hessian& hessian, const HessianFactor& found, double mean) {
  const std::uint64_t n = hessian.cols();
  const auto moment = [&](std::uint64_t i, std::uint64_t j) {
    const std::uint64_t a = found.order.empty() ? i : found.order[i];
    const std::uint64_t b = found.order.empty() ? j : found.order[j];
    const double own = hessian.upper(std::min(a, b), std::max(a, b));
    return i != j ? own : own + (own == 0.0 ? mean : found.damping * mean);
  };
  for (std::uint64_t i = 0; i < n; i += 7) {
    std::vector<double> row(n, 0.0);  // of U^T U
    for (std::uint64_t k = 0; k <= i; ++k) {
      for (std::uint64_t j = k; j < n; ++j)
        row[j] += static_cast<double>(found.factor[k * n + i]) * static_cast<double>(found.factor[k * n + j]);
    }
    for (std::uint64_t j = 0; j < n; j += 5) {
      double sum = 0.0;
      for (std::uint64_t k = 0; k < n; ++k) sum += row[k] * moment(k, j);
      EXPECT_NEAR(sum, i == j ? 1.0 : 0.0, 1e-3) << i << ", " << j;
    }
  }
}

double mean_of(const Hessian& hessian) {
  double sum = 0.0;
  for (std::uint64_t i = 0; i < hessian.cols(); ++i) sum += hessian.diagonal(i);
  return sum / static_cast<double>(hessian.cols());
}

TEST(Hessian, is_factored_in_any_order) {
  constexpr std::uint64_t kCols = 70;
  const Hessian hessian = hessian_of(inputs(400, kCols), kCols);
  for (const bool ordered : {false, true}) {
    const auto order = ordered ? activation_order(hessian, 0) : std::vector<std::uint32_t>();
    const auto found = factor_hessian(hessian, order, {}, select_backend(""), 2, CancelToken());
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->damping, 0.01);
    EXPECT_EQ(found->dead_inputs, 0u);
    expect_inverse(hessian, *found, mean_of(hessian));
  }
}

TEST(Hessian, dead_inputs_stand_alone) {
  constexpr std::uint64_t kCols = 40, kDead = 11;
  const Hessian hessian = hessian_of(inputs(400, kCols, kDead), kCols);
  const auto found = factor_hessian(hessian, {}, {}, select_backend(""), 2, CancelToken());
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->dead_inputs, 1u);
  for (std::uint64_t c = 0; c < kCols; ++c) {
    if (c == kDead) continue;
    const std::uint64_t place = c > kDead ? kDead * kCols + c : c * kCols + kDead;
    EXPECT_EQ(found->factor[place], 0.0f);
  }
  expect_inverse(hessian, *found, mean_of(hessian));
}

TEST(Hessian, raises_the_damping_until_a_factor_exists) {
  // One row: every pivot after the first is what damping leaves of rounding.
  constexpr std::uint64_t kCols = 200;
  std::vector<float> values(kCols);
  for (std::uint64_t c = 0; c < kCols; ++c) values[c] = 1.0f + static_cast<float>(c);
  const auto found =
      factor_hessian(hessian_of(values, kCols), {}, {.damping = 1e-18}, select_backend(""), 1, CancelToken());
  ASSERT_TRUE(found.has_value());
  EXPECT_GT(found->damping, 1e-18);
  EXPECT_FALSE(factor_hessian(Hessian(kCols), {}, {}, select_backend(""), 1, CancelToken()).has_value())
      << "no data at all";
}

TEST(Hessian, orders_columns_by_what_goes_into_them) {
  std::vector<float> values = {1, 5, 3, 2, 9, 4};
  const Hessian hessian = hessian_of(values, 6);
  EXPECT_EQ(activation_order(hessian, 0), (std::vector<std::uint32_t>{4, 1, 5, 2, 3, 0}));
  // Groups stay together, the one with the largest first.
  EXPECT_EQ(activation_order(hessian, 2), (std::vector<std::uint32_t>{4, 5, 1, 0, 2, 3}));
  EXPECT_EQ(activation_order(hessian, 3), (std::vector<std::uint32_t>{4, 5, 3, 1, 2, 0}));
}

}  // namespace
}  // namespace qtz
