#include "qtz/linalg/cholesky.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "qtz/core/error.h"

namespace qtz {
namespace {

using Matrix = std::vector<double>;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// A sum of outer products of random vectors with correlated elements, with damping: a Hessian of GPTQ.
Matrix make_hessian(std::uint64_t n) {
  std::mt19937 random(static_cast<unsigned>(n) + 17);
  const auto value = [&] { return static_cast<double>(random()) / 2147483648.0 - 1.0; };
  const std::uint64_t samples = n / 2 + 3;
  Matrix inputs(samples * n);
  for (std::uint64_t s = 0; s < samples; ++s) {
    const double common = value();
    for (std::uint64_t i = 0; i < n; ++i) inputs[s * n + i] = value() + common;
  }
  Matrix hessian(n * n);
  for (std::uint64_t i = 0; i < n; ++i) {
    for (std::uint64_t j = 0; j <= i; ++j) {
      double sum = i == j ? 0.01 * static_cast<double>(n) : 0.0;
      for (std::uint64_t s = 0; s < samples; ++s) sum += inputs[s * n + i] * inputs[s * n + j];
      hessian[i * n + j] = hessian[j * n + i] = sum;
    }
  }
  return hessian;
}

/// The textbook's loops. What is below the diagonal stays.
Matrix factor_by_the_book(Matrix matrix, std::uint64_t n) {
  Matrix v(n * n);
  std::vector<double> reciprocals(n);
  for (std::uint64_t j = n; j-- > 0;) {
    for (std::uint64_t i = j + 1; i-- > 0;) {
      double sum = matrix[i * n + j];
      for (std::uint64_t k = n - 1; k > j; --k) sum -= v[i * n + k] * v[j * n + k];
      if (i == j) reciprocals[j] = 1.0 / std::sqrt(sum);
      v[i * n + j] = sum * reciprocals[j];
    }
  }
  for (std::uint64_t j = 0; j < n; ++j) {
    matrix[j * n + j] = reciprocals[j];
    for (std::uint64_t i = j; i-- > 0;) {
      double sum = 0.0;
      for (std::uint64_t k = j; k > i; --k) sum -= v[i * n + k] * matrix[k * n + j];
      matrix[i * n + j] = sum * reciprocals[i];
    }
  }
  return matrix;
}

/// Index of the first element with other bits, or the size.
std::size_t first_difference(const Matrix& a, const Matrix& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::bit_cast<std::uint64_t>(a[i]) != std::bit_cast<std::uint64_t>(b[i])) return i;
  }
  return a.size();
}

std::optional<std::uint64_t> factor(Matrix& matrix, std::uint64_t n,
                                    const Backend& backend = select_backend(""), unsigned threads = 2) {
  return factor_inverse(matrix, n, backend, threads, CancelToken{});
}

/// Runs it on every backend, which must agree.
std::optional<std::uint64_t> failing_row(const Matrix& matrix, std::uint64_t n) {
  std::optional<std::uint64_t> row;
  bool first = true;
  for (const Backend& backend : list_backends()) {
    if (!backend.supported) continue;
    Matrix work = matrix;
    const auto found = factor(work, n, backend);
    if (first) row = found;
    EXPECT_EQ(found, row) << backend.name;
    first = false;
  }
  return row;
}

TEST(FactorInverse, has_the_bits_of_the_textbooks_loops_on_every_backend_and_thread_count) {
  for (const std::uint64_t n :
       {1u, 2u, 7u, 8u, 9u, 16u, 17u, 63u, 64u, 65u, 72u, 100u, 128u, 131u, 200u, 300u, 577u}) {
    const Matrix hessian = make_hessian(n);
    const Matrix expected = factor_by_the_book(hessian, n);
    for (const Backend& backend : list_backends()) {
      if (!backend.supported) continue;
      for (const unsigned threads : {1u, 2u, 3u}) {
        Matrix matrix = hessian;
        ASSERT_EQ(factor(matrix, n, backend, threads), std::nullopt);
        const std::size_t at = first_difference(matrix, expected);
        ASSERT_EQ(at, matrix.size()) << "n " << n << ", " << backend.name << ", " << threads
                                     << " threads: row " << at / n << ", column " << at % n << ": "
                                     << matrix[at] << " and not " << expected[at];
      }
    }
  }
}

TEST(FactorInverse, gives_a_factor_of_the_inverse) {
  constexpr std::uint64_t kN = 250;
  const Matrix hessian = make_hessian(kN);
  Matrix u = hessian;
  ASSERT_EQ(factor(u, kN), std::nullopt);
  // inv(H) = U^T U means U H U^T = 1.
  Matrix product(kN * kN);
  for (std::uint64_t i = 0; i < kN; ++i) {
    for (std::uint64_t k = i; k < kN; ++k) {
      for (std::uint64_t j = 0; j < kN; ++j) product[i * kN + j] += u[i * kN + k] * hessian[k * kN + j];
    }
  }
  for (std::uint64_t i = 0; i < kN; ++i) {
    EXPECT_GT(u[i * kN + i], 0.0);
    for (std::uint64_t j = 0; j < kN; ++j) {
      double sum = 0.0;
      for (std::uint64_t k = j; k < kN; ++k) sum += product[i * kN + k] * u[j * kN + k];
      ASSERT_NEAR(sum, i == j ? 1.0 : 0.0, 1e-11) << i << ", " << j;
    }
  }
}

TEST(FactorInverse, agrees_with_lapack_going_by_the_inverse) {
  using Routine = void (*)(const char* part, const int* n, double* a, const int* stride, int* info);
  void* library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  const auto routine = [&](const char* name) {
    return library == nullptr ? nullptr : reinterpret_cast<Routine>(dlsym(library, name));
  };
  const Routine factorize = routine("dpotrf_");
  const Routine invert = routine("dpotri_");
  if (factorize == nullptr || invert == nullptr) GTEST_SKIP() << "no libopenblas.so.0 with LAPACK";

  constexpr int kN = 333;
  constexpr std::size_t kSize = kN;
  const Matrix hessian = make_hessian(kSize);
  Matrix expected = hessian;
  int info = 0;
  factorize("L", &kN, expected.data(), &kN, &info);
  ASSERT_EQ(info, 0);
  invert("L", &kN, expected.data(), &kN, &info);
  ASSERT_EQ(info, 0);
  // LAPACK's lower triangle, by columns, is our upper one, by rows; its upper factor is what is wanted.
  for (std::size_t i = 0; i < kSize; ++i) {
    for (std::size_t j = i; j < kSize; ++j) expected[j * kSize + i] = expected[i * kSize + j];
  }
  factorize("U", &kN, expected.data(), &kN, &info);
  ASSERT_EQ(info, 0);

  Matrix found = hessian;
  ASSERT_EQ(factor(found, kSize), std::nullopt);
  for (std::size_t i = 0; i < kSize; ++i) {
    for (std::size_t j = i; j < kSize; ++j) {
      ASSERT_NEAR(found[i * kSize + j], expected[j * kSize + i], 1e-11) << i << ", " << j;
    }
  }
}

TEST(FactorInverse, takes_the_smallest_matrices) {
  Matrix none;
  EXPECT_EQ(factor(none, 0), std::nullopt);
  Matrix one = {16.0};
  EXPECT_EQ(factor(one, 1), std::nullopt);
  EXPECT_EQ(one[0], 0.25);
  // inv([2 1; 1 1]) = [1 -1; -1 2] = U^T U with U = [1 -1; 0 1]
  Matrix two = {2.0, 1.0, 1.0, 1.0};
  EXPECT_EQ(factor(two, 2), std::nullopt);
  EXPECT_EQ(two, (Matrix{1.0, -1.0, 1.0, 1.0}));
}

TEST(FactorInverse, neither_reads_nor_writes_below_the_diagonal) {
  constexpr std::uint64_t kN = 141;
  const Matrix hessian = make_hessian(kN);
  Matrix expected = hessian;
  ASSERT_EQ(factor(expected, kN), std::nullopt);
  Matrix matrix = hessian;
  for (std::uint64_t i = 0; i < kN; ++i) {
    for (std::uint64_t j = 0; j < i; ++j) matrix[i * kN + j] = expected[i * kN + j] = kNaN;
  }
  ASSERT_EQ(factor(matrix, kN), std::nullopt);
  EXPECT_EQ(first_difference(matrix, expected), matrix.size());
}

TEST(FactorInverse, tells_the_pivot_that_is_not_positive) {
  constexpr std::uint64_t kN = 150;
  for (const std::uint64_t row : {0u, 1u, 63u, 64u, 70u, 127u, 128u, 148u, 149u}) {
    Matrix matrix = make_hessian(kN);
    matrix[row * kN + row] = -1.0;
    EXPECT_EQ(failing_row(matrix, kN), row);
    for (std::uint64_t i = 0; i < kN; ++i) matrix[i * kN + row] = matrix[row * kN + i] = 0.0;
    EXPECT_EQ(failing_row(matrix, kN), row) << "pivot 0";
  }
  // [1 2; 2 1] fails where the elimination comes to, not at a diagonal that is bad by itself.
  EXPECT_EQ(failing_row({1.0, 2.0, 2.0, 1.0}, 2), 0u);
  EXPECT_EQ(failing_row({-0.0}, 1), 0u);
}

TEST(FactorInverse, never_takes_nan_or_infinity_for_a_success) {
  constexpr std::uint64_t kN = 140;
  for (const double bad : {kNaN, kInfinity, -kInfinity}) {
    for (const std::uint64_t row : {0u, 30u, 64u, 130u}) {
      for (const std::uint64_t col : {row, row + 1, std::uint64_t{139}}) {
        Matrix matrix = make_hessian(kN);
        matrix[row * kN + col] = matrix[col * kN + row] = bad;
        EXPECT_EQ(failing_row(matrix, kN), row) << bad << " at " << row << ", " << col;
      }
    }
  }
}

TEST(FactorInverse, fails_where_the_factor_is_too_large_for_f64) {
  // V has 2^-26 on its diagonal and 1 beside it, so that the last column of its inverse is 2^(26 (n - i)).
  // All of H = V V^T and all pivots are exact.
  constexpr std::uint64_t kN = 100;
  Matrix matrix(kN * kN);
  for (std::uint64_t i = 0; i < kN; ++i) {
    matrix[i * kN + i] = (i + 1 < kN ? 1.0 : 0.0) + 0x1p-52;
    if (i > 0) matrix[(i - 1) * kN + i] = matrix[i * kN + i - 1] = 0x1p-26;
  }
  EXPECT_EQ(failing_row(matrix, kN), kN - 40);  // 2^1040
}

TEST(FactorInverse, stops_when_cancelled) {
  Matrix matrix = make_hessian(70);
  CancelToken cancel;
  cancel.cancel();
  try {
    static_cast<void>(factor_inverse(matrix, 70, select_backend(""), 2, cancel));
    FAIL() << "not interrupted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::interrupted);
  }
}

}  // namespace
}  // namespace qtz
