// What the reference encoders of Q4_0, Q4_1, Q5_0 and Q5_1 share: 32 elements per block, element i stored
// beside element i + 16, and, with importance, weights that lean on the mean square of the whole row.
#pragma once

#include <array>
#include <cstdint>

#include "reference/ref_math.h"

namespace qtz::reference {

using Levels32 = std::array<int, 32>;

/// Sum of squares of a row divided by its length, summed in order.
float mean_square(const float* x, std::uint64_t count);

/// importance * sqrt(mean square + x * x) for 32 elements.
std::array<float, 32> legacy_weights(const float* x, const float* importance, float row_mean_square);

/// Sixteen bytes: low halves of the levels of elements i and i + 16.
void put_low_nibbles(ByteWriter& block, const Levels32& q);
/// Four bytes: bit i is the fifth bit of element i's level.
void put_fifth_bits(ByteWriter& block, const Levels32& q);

/// The inverse of both; `fifth_bits` null for the four-bit types.
Levels32 legacy_levels(const std::byte* nibbles, const std::byte* fifth_bits);

}  // namespace qtz::reference
