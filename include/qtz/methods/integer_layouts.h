// How matrices of integers are stored: the tensors that GPTQ, AWQ and compressed-tensors make of one.
// Sources: AutoGPTQ's and GPTQModel's qlinear, AutoAWQ's GEMM layout, compressed-tensors' pack-quantized.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "qtz/core/dtype.h"
#include "qtz/core/shape.h"
#include "qtz/methods/integer_matrix.h"

namespace qtz {

enum class IntegerLayout {
  gptq,        ///< qweight, qzeros with one subtracted, scales, g_idx
  gptq_v2,     ///< the same with the zeros as they are
  awq,         ///< GEMM: qweight, qzeros, scales, all along the output; 4 bits
  compressed,  ///< weight_packed, weight_scale, weight_zero_point, weight_shape
};

/// One tensor of a stored matrix.
struct IntegerPart {
  std::string_view suffix;  ///< after the module's name: "qweight"
  DType dtype;
  Shape shape;
};

/// What is stored of a matrix [rows, cols]. Throws input_invalid for sizes that the layout cannot hold; the
/// message says what they must be divisible by.
std::vector<IntegerPart> integer_parts(IntegerLayout layout, const IntegerScheme& scheme, std::uint64_t rows,
                                       std::uint64_t cols);

/// The contents of those tensors, one after another in the same order. `group_of` are the groups of columns
/// where they are not consecutive (activation order), else empty. Throws nothing but for memory; what v1
/// cannot hold, a zero point of 0, is a QTZ_CHECK.
std::vector<std::vector<std::byte>> store_integers(IntegerLayout layout, const IntegerMatrix& matrix);

/// Codes of `bits` bits as a dense little-endian stream, in words of 32 bits; the last is filled up with
/// zeros.
std::vector<std::uint32_t> pack_dense(std::span<const std::uint8_t> codes, unsigned bits);

}  // namespace qtz
