// What the reference codecs of IQ4_NL and IQ4_XS share: sixteen unevenly spaced values, and the search for
// the scale of 32 elements.
#pragma once

#include <array>

#include "reference/ref_math.h"

namespace qtz::reference {

inline constexpr std::array<int, 16> kIq4Values{-127, -104, -83, -65, -49, -35, -22, -10,
                                                1,    13,   25,  38,  53,  69,  89,  113};

/// Index of the nearest value; of two equally near, the larger.
int nearest_iq4(float x);

/// The scale for 32 elements, 0 if all are all but zero. `mean_square` is twice the mean square of the
/// elements that importance leans on; `importance` may be null.
float search_iq4_scale(const float* x, const float* importance, float doubled_mean_square);

/// Sixteen bytes: element i beside element i + 16.
void put_iq4_levels(ByteWriter& block, const int* q);
int iq4_value_at(const std::byte* in, std::size_t element);

}  // namespace qtz::reference
