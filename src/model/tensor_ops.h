// The nodes of tensor expressions, as functions. Shapes are outermost first; "row" always means a run of the
// last dimension. Moves keep the stored type and its bytes; computations widen to F32 first.
// Shapes that do not fit are Errors that name the stored tensor: they come from files.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "qtz/model/tensor_expr.h"

namespace qtz {

/// A stored tensor as it is. One read per read_rows.
TensorExprPtr stored(const TensorSource& source, const TensorInfo& tensor);

/// Computed values, F32. values.size() == shape.elements().
TensorExprPtr constant(Shape shape, std::vector<float> values);

/// Zeros of a plain type, to fill up with.
TensorExprPtr zeros(Shape shape, DType type);

/// The same elements in the same order under another shape with as many elements.
TensorExprPtr reshaped(TensorExprPtr input, Shape shape);

/// Output row r is input row map(r). `shape` has the input's row length.
using RowMap = std::function<std::uint64_t(std::uint64_t)>;
TensorExprPtr gathered_rows(TensorExprPtr input, Shape shape, RowMap map);

/// Indices [first, first + count) of `axis`, which may be any axis.
TensorExprPtr sliced(TensorExprPtr input, std::size_t axis, std::uint64_t first, std::uint64_t count);

/// Every `step`-th index of `axis` from `first` on.
TensorExprPtr strided(TensorExprPtr input, std::size_t axis, std::uint64_t first, std::uint64_t step);

/// Sees `axis` as [outer, a, b, inner] and swaps a with b: the one permutation that rope layouts, fused qkv
/// and head orders need. The axis length must be a multiple of outer * a * b; inner is the rest.
TensorExprPtr swapped_groups(TensorExprPtr input, std::size_t axis, std::uint64_t outer, std::uint64_t a,
                             std::uint64_t b);

/// Inputs of one shape under a new outermost axis.
TensorExprPtr stacked(std::vector<TensorExprPtr> inputs);

/// Inputs one after another along the outermost axis; the other axes and the types must be equal.
TensorExprPtr concatenated(std::vector<TensorExprPtr> inputs);

/// The last two axes swapped. Read in panels; staging is bounded.
TensorExprPtr transposed(TensorExprPtr input);

/// x + value, x * value and -exp(x), in F32.
TensorExprPtr plus(TensorExprPtr input, float value);
TensorExprPtr times(TensorExprPtr input, float value);
TensorExprPtr negative_exp(TensorExprPtr input);

/// The values in F32: exact for 16-bit types, rounded to nearest for F64.
TensorExprPtr widened(TensorExprPtr input);

/// All values as floats, for the few scalars and small vectors that become keys.
std::vector<float> read_floats(const TensorExpr& input);

/// "tensor 'x' [2048, 256]" of the first stored tensor in `input`, for messages.
std::string describe(const TensorExpr& input);

/// Widens `bytes` of plain numbers (F32, F16, BF16, F64) to out.size() floats.
void widen_to_f32(DType type, std::span<const std::byte> bytes, std::span<float> out);

}  // namespace qtz
