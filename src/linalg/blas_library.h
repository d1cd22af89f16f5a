// OpenBLAS, loaded when a product is first needed: a run that multiplies nothing neither waits for it nor
// needs it to be installed.
#pragma once

namespace qtz {

/// cblas_sgemm of a library with 32-bit sizes: order, transposition of a and b, m, n, k, alpha, a and its
/// stride, b and its stride, beta, c and its stride.
using Sgemm = void (*)(int, int, int, int, int, int, float, const float*, int, const float*, int, float,
                       float*, int);

/// Values of the enumerations of cblas.h.
inline constexpr int kRowMajor = 101;
inline constexpr int kPlain = 111;
inline constexpr int kTransposed = 112;

/// Loads the library at the first call. Throws resource when it cannot be had.
Sgemm load_sgemm();

}  // namespace qtz
