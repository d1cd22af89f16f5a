// The whole numbers that quantized blocks hold before scales and offsets are applied.
#pragma once

#include <cstddef>
#include <cstdint>

#include "qtz/core/dtype.h"

namespace qtz {

/// Whether the type stores small whole numbers that read_codes can tell.
bool has_codes(DType type) noexcept;

/// The code of each of `elems` elements (whole blocks), -128 .. 127: the level, around zero for types without
/// an offset, or the index into the table of a non-linear type. The type must have codes.
void read_codes(DType type, const std::byte* in, float* codes, std::uint64_t elems) noexcept;

}  // namespace qtz
