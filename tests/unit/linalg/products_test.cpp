#include "qtz/linalg/products.h"

#include <gtest/gtest.h>

#include <vector>

namespace qtz {
namespace {

std::vector<float> some_values(std::size_t count) {
  std::vector<float> values;
  for (std::size_t i = 0; i < count; ++i) values.push_back(static_cast<float>(i * 37 % 101) / 50.0f - 1.0f);
  return values;
}

/// Element of a * b^T, in f64.
double expected(const std::vector<float>& a, const std::vector<float>& b, std::size_t k, std::size_t row,
                std::size_t col) {
  double sum = 0.0;
  for (std::size_t i = 0; i < k; ++i) {
    sum += static_cast<double>(a[row * k + i]) * static_cast<double>(b[col * k + i]);
  }
  return sum;
}

TEST(Products, of_pieces_are_the_whole) {
  constexpr std::size_t kRows = 300;  // more than one piece each way
  constexpr std::size_t kCols = 1100;
  constexpr std::size_t kInner = 33;
  const std::vector<float> a = some_values(kRows * kInner);
  const std::vector<float> b = some_values(kCols * kInner);
  std::vector<float> out(kRows * kCols);
  const CancelToken cancel;
  multiply_transposed_parallel({a.data(), kInner}, {b.data(), kInner}, out.data(), kCols, kRows, kCols,
                               kInner, 3, cancel);
  for (std::size_t row = 0; row < kRows; row += 7) {
    for (std::size_t col = 0; col < kCols; col += 13) {
      ASSERT_NEAR(out[row * kCols + col], expected(a, b, kInner, row, col), 1e-4);
    }
  }
}

TEST(Products, do_not_depend_on_threads) {
  constexpr std::size_t kSize = 600;
  const std::vector<float> a = some_values(kSize * kSize);
  const CancelToken cancel;
  std::vector<float> one(kSize * kSize);
  std::vector<float> four(kSize * kSize);
  multiply_transposed_parallel({a.data(), kSize}, {a.data(), kSize}, one.data(), kSize, kSize, kSize, kSize,
                               1, cancel);
  multiply_transposed_parallel({a.data(), kSize}, {a.data(), kSize}, four.data(), kSize, kSize, kSize, kSize,
                               4, cancel);
  EXPECT_EQ(one, four);
}

TEST(Products, take_parts_of_larger_matrices) {
  // [1 2; 3 4] * [5 6; 7 8], each with a column that does not belong to it
  const std::vector<float> a = {1, 2, 99, 3, 4, 99};
  const std::vector<float> b = {5, 6, 99, 7, 8, 99};
  std::vector<float> out(4);
  multiply({a.data(), 3}, {b.data(), 3}, out.data(), 2, 2, 2, 2);
  EXPECT_EQ(out, (std::vector<float>{19, 22, 43, 50}));
  multiply_transposed({a.data(), 3}, {b.data(), 3}, out.data(), 2, 2, 2, 2, 2.0f);
  EXPECT_EQ(out, (std::vector<float>{34, 46, 78, 106}));
}

}  // namespace
}  // namespace qtz
