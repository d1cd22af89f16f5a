#include "qtz/methods/hessian.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "qtz/core/error.h"
#include "qtz/core/parallel.h"
#include "qtz/linalg/cholesky.h"
#include "qtz/linalg/products.h"

namespace qtz {
namespace {

constexpr std::uint64_t kTile = 256;
/// Rows whose products are summed in f32.
constexpr std::uint64_t kRows = 2048;

}  // namespace

void Hessian::add(const float* rows, std::uint64_t count, unsigned threads, const CancelToken& cancel) {
  const std::uint64_t tiles = (cols_ + kTile - 1) / kTile;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> upper;
  for (std::uint64_t i = 0; i < tiles; ++i) {
    for (std::uint64_t j = i; j < tiles; ++j) upper.emplace_back(i * kTile, j * kTile);
  }
  parallel_for(upper.size(), threads, cancel, [&](unsigned, std::uint64_t tile) {
    const auto [i, j] = upper[tile];
    const std::uint64_t m = std::min(kTile, cols_ - i), n = std::min(kTile, cols_ - j);
    std::vector<float> products(m * n);
    for (std::uint64_t first = 0; first < count; first += kRows) {
      const float* const x = rows + first * cols_;
      multiply_first_transposed({x + i, cols_}, {x + j, cols_}, products.data(), n, m, n,
                                std::min(kRows, count - first));
      for (std::uint64_t r = 0; r < m; ++r) {
        double* const sums = sums_.data() + (i + r) * cols_ + j;
        for (std::uint64_t c = 0; c < n; ++c) sums[c] += static_cast<double>(products[r * n + c]);
      }
    }
  });
  rows_ += count;
  for (std::uint64_t c = 0; c < cols_; ++c) {
    if (!std::isfinite(diagonal(c)))
      throw Error(ErrorKind::numeric, "input " + std::to_string(c) + " is NaN or infinite");
  }
}

std::optional<HessianFactor> factor_hessian(const Hessian& hessian, std::span<const std::uint32_t> order,
                                            const FactorSettings& settings, const Backend& backend,
                                            unsigned threads, const CancelToken& cancel) {
  constexpr double kMostDamping = 100.0;
  constexpr double kRaise = 10.0;
  const std::uint64_t n = hessian.cols();
  const auto column = [&](std::uint64_t i) { return order.empty() ? i : std::uint64_t{order[i]}; };
  HessianFactor out;
  out.order.assign(order.begin(), order.end());
  double mean = 0.0;
  for (std::uint64_t i = 0; i < n; ++i) {
    mean += hessian.diagonal(i) / static_cast<double>(n);
    if (hessian.diagonal(i) == 0.0) ++out.dead_inputs;
  }
  if (!(mean > 0.0)) return std::nullopt;
  std::vector<double> matrix(n * n);
  out.hessian.resize(n * n);
  for (out.damping = settings.damping; out.damping <= kMostDamping; out.damping *= kRaise) {
    parallel_for(n, threads, cancel, [&](unsigned, std::uint64_t i) {
      for (std::uint64_t j = i; j < n; ++j) {
        const std::uint64_t a = column(i), b = column(j);
        double own = hessian.upper(std::min(a, b), std::max(a, b));
        if (i == j) own += own == 0.0 ? mean : out.damping * mean;
        matrix[i * n + j] = own;
        out.hessian[i * n + j] = out.hessian[j * n + i] = static_cast<float>(own);
      }
    });
    if (factor_inverse(matrix, n, backend, threads, cancel)) continue;
    out.factor.resize(n * n);
    out.importance.resize(n);
    for (std::uint64_t i = 0; i < n; ++i) {
      for (std::uint64_t j = i; j < n; ++j) out.factor[i * n + j] = static_cast<float>(matrix[i * n + j]);
      out.importance[column(i)] = static_cast<float>(1.0 / (matrix[i * n + i] * matrix[i * n + i]));
    }
    return out;
  }
  return std::nullopt;
}

std::vector<std::uint32_t> activation_order(const Hessian& hessian, std::uint64_t group_size) {
  const std::uint64_t n = hessian.cols();
  std::vector<std::uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0U);
  const std::uint64_t size = group_size == 0 ? n : group_size;
  std::vector<double> largest((n + size - 1) / size);
  for (std::uint64_t i = 0; i < n; ++i) largest[i / size] = std::max(largest[i / size], hessian.diagonal(i));
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    if (a / size != b / size) {
      const double mine = largest[a / size], other = largest[b / size];
      return mine != other ? mine > other : a < b;
    }
    const double mine = hessian.diagonal(a), other = hessian.diagonal(b);
    return mine != other ? mine > other : a < b;
  });
  return order;
}

}  // namespace qtz
