#include "qtz/linalg/products.h"

#include <algorithm>
#include <limits>

#include "linalg/blas_library.h"
#include "qtz/core/error.h"
#include "qtz/core/parallel.h"

namespace qtz {

namespace {

/// Pieces of a product: large enough that packing the operands costs little, small enough for many cores.
constexpr std::uint64_t kPieceRows = 256;
constexpr std::uint64_t kPieceCols = 1024;

int blas_size(std::uint64_t size) {
  QTZ_CHECK(size <= static_cast<std::uint64_t>(std::numeric_limits<int>::max()));
  return static_cast<int>(size);
}

void call(int a_form, int b_form, MatrixView a, MatrixView b, float* out, std::uint64_t out_stride,
          std::uint64_t m, std::uint64_t n, std::uint64_t k, float scale) {
  if (m == 0 || n == 0) return;
  load_sgemm()(kRowMajor, a_form, b_form, blas_size(m), blas_size(n), blas_size(k), scale, a.data,
               blas_size(a.stride), b.data, blas_size(b.stride), 0.0f, out, blas_size(out_stride));
}

}  // namespace

void require_blas() {
  load_sgemm();
}

void multiply_transposed(MatrixView a, MatrixView b, float* out, std::uint64_t out_stride, std::uint64_t m,
                         std::uint64_t n, std::uint64_t k, float scale) {
  call(kPlain, kTransposed, a, b, out, out_stride, m, n, k, scale);
}

void multiply(MatrixView a, MatrixView b, float* out, std::uint64_t out_stride, std::uint64_t m,
              std::uint64_t n, std::uint64_t k) {
  call(kPlain, kPlain, a, b, out, out_stride, m, n, k, 1.0f);
}

void multiply_first_transposed(MatrixView a, MatrixView b, float* out, std::uint64_t out_stride,
                               std::uint64_t m, std::uint64_t n, std::uint64_t k) {
  call(kTransposed, kPlain, a, b, out, out_stride, m, n, k, 1.0f);
}

void multiply_transposed_parallel(MatrixView a, MatrixView b, float* out, std::uint64_t out_stride,
                                  std::uint64_t m, std::uint64_t n, std::uint64_t k, unsigned threads,
                                  const CancelToken& cancel) {
  const std::uint64_t down = (m + kPieceRows - 1) / kPieceRows;
  const std::uint64_t across = (n + kPieceCols - 1) / kPieceCols;
  parallel_for(down * across, threads, cancel, [&](unsigned, std::uint64_t piece) {
    const std::uint64_t row = piece / across * kPieceRows;
    const std::uint64_t col = piece % across * kPieceCols;
    multiply_transposed({a.data + row * a.stride, a.stride}, {b.data + col * b.stride, b.stride},
                        out + row * out_stride + col, out_stride, std::min(kPieceRows, m - row),
                        std::min(kPieceCols, n - col), k);
  });
}

}  // namespace qtz
