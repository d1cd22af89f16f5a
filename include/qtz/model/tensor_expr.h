// What an output tensor is made of: a small expression over stored tensors. Moves (slice, concatenate, stack,
// permute rows, transpose, reshape) work on any stored type and keep its bytes; computations (add,
// negate-exp, constants) yield F32. Expert stacks, fused qkv, norm shifts and transposed inputs are all this
// one mechanism; the nodes are made by the functions of src/model/tensor_ops.h.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "qtz/core/dtype.h"
#include "qtz/core/shape.h"
#include "qtz/formats/tensor_source.h"

namespace qtz {

/// Immutable; reading is thread-safe. The source must outlive it.
class TensorExpr {
 public:
  virtual ~TensorExpr() = default;

  const Shape& shape() const noexcept { return shape_; }
  /// The stored type for moves, f32 for computed tensors.
  DType dtype() const noexcept { return dtype_; }

  /// Reads rows [first, first + count) of the tensor seen as rows() x cols(), in dtype()'s storage:
  /// out.size() == count * row_bytes(dtype(), cols()).
  virtual void read_rows(std::uint64_t first, std::uint64_t count, std::span<std::byte> out) const = 0;

  /// Reads columns [first_col, first_col + cols) of `rows` rows, packed row after row. Only for types of one
  /// element per block; what transposing is made of. The default reads whole rows, a bounded piece at a time.
  virtual void read_block(std::uint64_t first_row, std::uint64_t rows, std::uint64_t first_col,
                          std::uint64_t cols, std::span<std::byte> out) const;

  /// Bytes of memory one read_rows of `count` rows needs beside `out`.
  virtual std::uint64_t staging_bytes(std::uint64_t count) const = 0;

  /// Stored tensors this one is made of, for reports and for "nothing is dropped" checks.
  virtual void collect_inputs(std::vector<const TensorInfo*>& inputs) const = 0;

 protected:
  TensorExpr(Shape shape, DType dtype) : shape_(std::move(shape)), dtype_(dtype) {}

 private:
  Shape shape_;
  DType dtype_;
};

using TensorExprPtr = std::shared_ptr<const TensorExpr>;

}  // namespace qtz
