// Two small tensors multiplied element by element.
#pragma once

#include "qtz/model/tensor_expr.h"

namespace qtz {

/// a * b in F32, as one row. Both hold floating-point numbers; throws input_invalid when they do not or
/// differ in their number.
TensorExprPtr product(TensorExprPtr a, TensorExprPtr b);

}  // namespace qtz
