// Which type a tensor has in a file that is not quantized: 16 bits for matrices, F32 for vectors, norms,
// routers and others that llama.cpp computes with in F32.
#pragma once

#include <span>
#include <string_view>

#include "qtz/model/arch_spec.h"
#include "qtz/model/tensor_expr.h"

namespace qtz {

/// Throws input_invalid when a weight is stored as something else than F64, F32, F16 or BF16: no architecture
/// has such weights, so they are codes of a quantization or damage.
void require_float_weights(const TensorInfo& tensor);

/// What to do about a stored type that does not hold a model's weights.
std::string_view hint_for_type(DType type);

/// The 16-bit type of a source: that of its first stored matrix of F16 or BF16, F16 when there is none.
DType sixteen_bit_type(std::span<const TensorInfo> tensors);

/// What else decides about them.
struct StorageRule {
  DType sixteen_bit;     ///< for matrices that have no 16-bit type of their own
  const ArchSpec& spec;  ///< narrow_routers, f32_targets, stored_floats
};

/// The unquantized type of the output tensor `name`: F32 as described, else its own 16-bit type, or the
/// rule's for F32 and F64; integers stay.
DType unquantized_type(std::string_view name, const TensorExpr& expr, const StorageRule& rule);

}  // namespace qtz
