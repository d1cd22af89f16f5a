// The triangular factor of an inverse that error-compensating quantization needs, in f64 and without a BLAS:
// the same bytes on every backend and thread count, since every element is one sum in the textbook's order.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "qtz/core/progress.h"
#include "qtz/kernels/backend.h"

namespace qtz {

/// Replaces the upper triangle of a symmetric positive definite matrix H [n, n], row-major, by the upper
/// triangular U with a positive diagonal and inv(H) = U^T U: the "Cholesky reformulation" of GPTQ
/// (arXiv 2210.17323, section 3.3, step 3), torch.linalg.cholesky(torch.linalg.inv(H), upper=True).
///
/// Only the upper triangle with the diagonal is read and written. A caller that keeps the diagonal (n
/// numbers) can therefore get H back from what is below it, to try again with more damping.
///
/// Returns nothing when all is well; every element of U is finite then. Else the row of the last pivot that
/// is not a positive finite number, or whose row of U is not finite: the trailing matrix H[row:, row:] is not
/// positive definite, as far as f64 can tell. NaN and infinities in H end so, too. The upper triangle is then
/// of no use.
///
/// `matrix` has n * n elements. 2/3 n^3 operations on `threads` threads (see resolve_threads); n / 2 KiB of
/// memory beside the matrix. Throws interrupted when `cancel` is set.
[[nodiscard]] std::optional<std::uint64_t> factor_inverse(std::span<double> matrix, std::uint64_t n,
                                                          const Backend& backend, unsigned threads,
                                                          const CancelToken& cancel);

}  // namespace qtz
