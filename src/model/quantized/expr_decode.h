// What the decoding expressions share: results in F32 for any rectangle, and reading rectangles of plain
// numbers.
#pragma once

#include <algorithm>
#include <vector>

#include "model/quantized/packed_ops.h"
#include "qtz/core/error.h"

namespace qtz {

/// A rectangle of a tensor seen as rows() x cols().
struct Rect {
  std::uint64_t first_row, rows, first_col, cols;
};

/// read_rows where the rectangle is whole rows.
inline std::vector<std::byte> read_rect(const TensorExpr& input, const Rect& rect) {
  std::vector<std::byte> bytes(rect.rows * row_bytes(input.dtype(), rect.cols));
  if (rect.cols == input.shape().cols()) {
    input.read_rows(rect.first_row, rect.rows, bytes);
  } else {
    input.read_block(rect.first_row, rect.rows, rect.first_col, rect.cols, bytes);
  }
  return bytes;
}

inline std::vector<float> read_plain(const TensorExpr& input, const Rect& rect) {
  const std::vector<std::byte> bytes = read_rect(input, rect);
  std::vector<float> values(rect.rows * rect.cols);
  widen_plain(input.dtype(), bytes, values);
  return values;
}

inline std::uint64_t plain_staging(const TensorExpr& input, std::uint64_t rows) {
  const std::uint64_t cols = input.shape().cols();
  return rows * (row_bytes(input.dtype(), cols) + cols * sizeof(float)) + input.staging_bytes(rows);
}

/// An expression whose elements are of type T, each computed from its place alone.
template <typename T>
class Decoded : public TensorExpr {
 public:
  void read_rows(std::uint64_t first, std::uint64_t count, std::span<std::byte> out) const final {
    write({first, count, 0, shape().cols()}, out);
  }
  void read_block(std::uint64_t first_row, std::uint64_t rows, std::uint64_t first_col, std::uint64_t cols,
                  std::span<std::byte> out) const final {
    write({first_row, rows, first_col, cols}, out);
  }

 protected:
  using TensorExpr::TensorExpr;
  /// All elements of the rectangle, row after row.
  virtual std::vector<T> decode(const Rect& rect) const = 0;

  std::uint64_t own_staging(std::uint64_t rows) const { return rows * shape().cols() * sizeof(T); }

 private:
  void write(const Rect& rect, std::span<std::byte> out) const {
    QTZ_CHECK(out.size() == rect.rows * rect.cols * sizeof(T));
    if (rect.rows == 0 || rect.cols == 0) return;
    const std::vector<T> values = decode(rect);
    std::ranges::copy(std::as_bytes(std::span(values)), out.begin());
  }
};

}  // namespace qtz
