// Products of f32 matrices, by BLAS, on all cores. Matrices are row-major. The result depends on the
// machine's BLAS and not on the number of threads: every piece of it is one call of one thread, cut at fixed
// places.
#pragma once

#include <cstdint>

#include "qtz/core/progress.h"

namespace qtz {

/// A matrix somewhere in memory: element (r, c) is data[r * stride + c].
struct MatrixView {
  const float* data;
  std::uint64_t stride;
};

/// Loads the BLAS. Throws resource, with the package to install, when there is none. Called by the functions
/// below, too; calling it first makes a missing library an early error.
void require_blas();

/// out[m, n] = scale * a[m, k] * b[n, k]^T, one call of one thread.
void multiply_transposed(MatrixView a, MatrixView b, float* out, std::uint64_t out_stride, std::uint64_t m,
                         std::uint64_t n, std::uint64_t k, float scale = 1.0f);

/// out[m, n] = a[m, k] * b[k, n], one call of one thread.
void multiply(MatrixView a, MatrixView b, float* out, std::uint64_t out_stride, std::uint64_t m,
              std::uint64_t n, std::uint64_t k);

/// out[m, n] = a[k, m]^T * b[k, n], one call of one thread.
void multiply_first_transposed(MatrixView a, MatrixView b, float* out, std::uint64_t out_stride,
                               std::uint64_t m, std::uint64_t n, std::uint64_t k);

/// The first, cut into pieces for `threads` threads. Throws interrupted when `cancel` is set.
void multiply_transposed_parallel(MatrixView a, MatrixView b, float* out, std::uint64_t out_stride,
                                  std::uint64_t m, std::uint64_t n, std::uint64_t k, unsigned threads,
                                  const CancelToken& cancel);

}  // namespace qtz
