// Tables of whole numbers that point at something: checked while they are read, written as I32.
#pragma once

#include <string_view>

#include "qtz/model/tensor_expr.h"

namespace qtz {

/// The numbers of an I64 or I32 tensor as I32. Throws input_invalid for other types; reading throws it for a
/// number that is not below `limit`, naming the tensor and `what` is counted.
TensorExprPtr indices(TensorExprPtr input, std::uint64_t limit, std::string_view what);

}  // namespace qtz
