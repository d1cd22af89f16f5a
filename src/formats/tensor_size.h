// The size of a stored tensor from its type and shape, computed without trusting either.
#pragma once

#include <cstdint>
#include <string>

#include "qtz/core/dtype.h"
#include "qtz/core/shape.h"

namespace qtz {

/// Bytes of a tensor. Throws input_invalid (message without file or tensor name: the caller adds them) when a
/// row is not whole blocks, or when elements or bytes reach 2^63. Zero dimensions count as 1 in that bound,
/// so that every product of some of the dimensions and every row_bytes() is safe afterwards too.
std::uint64_t checked_tensor_bytes(DType type, const Shape& shape);

}  // namespace qtz
