// Where expressions end: stored tensors and computed constants; and the default of read_block.
#include <algorithm>
#include <cstring>

#include "model/tensor_ops.h"
#include "qtz/core/error.h"

namespace qtz {

namespace {

// A strided read costs one system call a row; reading the whole row instead costs its bytes. They meet near
// here.
constexpr std::uint64_t kSkipWorthACall = 4096;
constexpr std::uint64_t kPieceBytes = std::uint64_t{256} << 10;

class Stored final : public TensorExpr {
 public:
  Stored(const TensorSource& source, const TensorInfo& tensor)
      : TensorExpr(tensor.shape, tensor.dtype), source_(source), tensor_(tensor) {}

  void read_rows(std::uint64_t first, std::uint64_t count, std::span<std::byte> out) const override {
    const std::uint64_t bytes = row_bytes(dtype(), shape().cols());
    QTZ_CHECK(out.size() == count * bytes);
    source_.read(tensor_, first * bytes, out);
  }

  void read_block(std::uint64_t first_row, std::uint64_t rows, std::uint64_t first_col, std::uint64_t cols,
                  std::span<std::byte> out) const override {
    const std::uint64_t row = row_bytes(dtype(), shape().cols());
    const std::uint64_t part = row_bytes(dtype(), cols);
    if (row - part <= kSkipWorthACall && cols != shape().cols()) {
      return TensorExpr::read_block(first_row, rows, first_col, cols, out);
    }
    if (cols == shape().cols()) return read_rows(first_row, rows, out);
    const std::uint64_t skip = row_bytes(dtype(), first_col);
    for (std::uint64_t r = 0; r < rows; ++r) {
      source_.read(tensor_, (first_row + r) * row + skip, out.subspan(r * part, part));
    }
  }

  std::uint64_t staging_bytes(std::uint64_t) const override { return 0; }
  void collect_inputs(std::vector<const TensorInfo*>& inputs) const override { inputs.push_back(&tensor_); }

 private:
  const TensorSource& source_;
  const TensorInfo& tensor_;
};

class Constant final : public TensorExpr {
 public:
  Constant(Shape shape, std::vector<float> values)
      : TensorExpr(std::move(shape), DType::f32), values_(std::move(values)) {
    QTZ_CHECK(values_.size() == this->shape().elements());
  }

  void read_rows(std::uint64_t first, std::uint64_t count, std::span<std::byte> out) const override {
    const std::uint64_t cols = shape().cols();
    QTZ_CHECK(out.size() == count * cols * sizeof(float));
    std::ranges::copy(std::as_bytes(std::span(values_).subspan(first * cols, count * cols)), out.begin());
  }
  std::uint64_t staging_bytes(std::uint64_t) const override { return 0; }
  void collect_inputs(std::vector<const TensorInfo*>&) const override {}

 private:
  std::vector<float> values_;
};

class Zeros final : public TensorExpr {
 public:
  Zeros(Shape shape, DType type) : TensorExpr(std::move(shape), type) {}

  void read_rows(std::uint64_t, std::uint64_t, std::span<std::byte> out) const override {
    std::fill(out.begin(), out.end(), std::byte{0});
  }
  std::uint64_t staging_bytes(std::uint64_t) const override { return 0; }
  void collect_inputs(std::vector<const TensorInfo*>&) const override {}
};

}  // namespace

void TensorExpr::read_block(std::uint64_t first_row, std::uint64_t rows, std::uint64_t first_col,
                            std::uint64_t cols, std::span<std::byte> out) const {
  const std::uint64_t row = row_bytes(dtype_, shape_.cols());
  const std::uint64_t part = row_bytes(dtype_, cols);
  const std::uint64_t skip = row_bytes(dtype_, first_col);
  const std::uint64_t rows_at_once =
      std::max<std::uint64_t>(1, kPieceBytes / std::max<std::uint64_t>(row, 1));
  std::vector<std::byte> piece(std::min(rows_at_once, rows) * row);
  for (std::uint64_t done = 0; done < rows; done += rows_at_once) {
    const std::uint64_t count = std::min(rows_at_once, rows - done);
    read_rows(first_row + done, count, std::span(piece).first(count * row));
    for (std::uint64_t r = 0; r < count; ++r) {
      std::memcpy(out.data() + (done + r) * part, piece.data() + r * row + skip, part);
    }
  }
}

TensorExprPtr stored(const TensorSource& source, const TensorInfo& tensor) {
  return std::make_shared<Stored>(source, tensor);
}

TensorExprPtr constant(Shape shape, std::vector<float> values) {
  return std::make_shared<Constant>(std::move(shape), std::move(values));
}

TensorExprPtr zeros(Shape shape, DType type) {
  return std::make_shared<Zeros>(std::move(shape), type);
}

std::string describe(const TensorExpr& input) {
  std::vector<const TensorInfo*> inputs;
  input.collect_inputs(inputs);
  if (inputs.empty()) return "a computed tensor " + input.shape().to_string();
  return "tensor '" + printable(inputs.front()->name) + "' " + inputs.front()->shape.to_string();
}

}  // namespace qtz
