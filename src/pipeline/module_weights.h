// The weights of a module as they are stored, in f32.
#pragma once

#include <cmath>
#include <vector>

#include "qtz/core/progress.h"
#include "qtz/formats/tensor_source.h"
#include "qtz/kernels/backend.h"
#include "qtz/methods/integer_matrix.h"

namespace qtz {

/// Row-major. Throws numeric for NaN and infinite weights, naming the tensor and the first of them.
std::vector<float> read_module_weights(const TensorSource& source, const TensorInfo& tensor,
                                       const Backend& backend, unsigned threads, const CancelToken& cancel);

/// Throws numeric when a scale is beyond the numbers of its type.
void check_scales(const IntegerMatrix& matrix, const TensorInfo& tensor);

}  // namespace qtz
