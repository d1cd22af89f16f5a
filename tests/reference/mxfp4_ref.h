// The exponent of MXFP4's reference encoder, which a test compares with the C library's logarithm.
#pragma once

namespace qtz::reference {

/// floorf(log2f(x)) as the GNU C library gives it, for finite x > 0: the exponent of x, or one more where x
/// is so little below a power of two that the logarithm rounds to the whole number.
int rounded_exponent(float x);

}  // namespace qtz::reference
