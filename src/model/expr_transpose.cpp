// Swapping the last two axes without holding the matrix: output rows are input columns, so a tile reads a
// panel of the input, a bounded number of input rows at a time, and turns it in small squares.
#include <algorithm>
#include <cstring>

#include "model/tensor_ops.h"
#include "qtz/core/error.h"

namespace qtz {

namespace {

constexpr std::uint64_t kPanelBytes = std::uint64_t{1} << 20;
constexpr std::uint64_t kSquare = 32;

/// out[c * out_stride + r] = in[r * cols + c], element by element of `Bytes` bytes.
template <std::size_t Bytes>
void turn(const std::byte* in, std::uint64_t rows, std::uint64_t cols, std::byte* out,
          std::uint64_t out_stride) {
  for (std::uint64_t r0 = 0; r0 < rows; r0 += kSquare) {
    for (std::uint64_t c0 = 0; c0 < cols; c0 += kSquare) {
      const std::uint64_t r1 = std::min(rows, r0 + kSquare);
      const std::uint64_t c1 = std::min(cols, c0 + kSquare);
      for (std::uint64_t c = c0; c < c1; ++c) {
        for (std::uint64_t r = r0; r < r1; ++r) {
          std::memcpy(out + (c * out_stride + r) * Bytes, in + (r * cols + c) * Bytes, Bytes);
        }
      }
    }
  }
}

void turn(std::uint64_t elem_bytes, const std::byte* in, std::uint64_t rows, std::uint64_t cols,
          std::byte* out, std::uint64_t out_stride) {
  switch (elem_bytes) {
    case 1:
      return turn<1>(in, rows, cols, out, out_stride);
    case 2:
      return turn<2>(in, rows, cols, out, out_stride);
    case 4:
      return turn<4>(in, rows, cols, out, out_stride);
    default:
      QTZ_CHECK(elem_bytes == 8);
      return turn<8>(in, rows, cols, out, out_stride);
  }
}

Shape swap_last_two(const Shape& shape) {
  std::vector<std::uint64_t> dims = shape.dims();
  std::swap(dims[dims.size() - 1], dims[dims.size() - 2]);
  return Shape(std::move(dims));
}

class Transposed final : public TensorExpr {
 public:
  explicit Transposed(TensorExprPtr input)
      : TensorExpr(swap_last_two(input->shape()), input->dtype()), input_(std::move(input)) {}

  void read_rows(std::uint64_t first, std::uint64_t count, std::span<std::byte> out) const override {
    const std::uint64_t columns = input_->shape().cols();  // of one matrix: the output rows of a batch
    const std::uint64_t height = shape().cols();           // rows of one input matrix
    const std::uint64_t elem = traits(dtype()).block_bytes;
    QTZ_CHECK(out.size() == count * height * elem);
    std::vector<std::byte> panel;
    for (std::uint64_t done = 0; done < count;) {
      const std::uint64_t batch = (first + done) / columns;
      const std::uint64_t column = (first + done) % columns;
      const std::uint64_t width = std::min(columns - column, count - done);
      const std::uint64_t rows_at_once = panel_rows(width, height);
      panel.resize(rows_at_once * width * elem);
      for (std::uint64_t row = 0; row < height; row += rows_at_once) {
        const std::uint64_t rows = std::min(rows_at_once, height - row);
        const auto part = std::span(panel).first(rows * width * elem);
        input_->read_block(batch * height + row, rows, column, width, part);
        turn(elem, part.data(), rows, width, out.data() + (done * height + row) * elem, height);
      }
      done += width;
    }
  }

  std::uint64_t staging_bytes(std::uint64_t count) const override {
    const std::uint64_t width = std::min(count, input_->shape().cols());
    const std::uint64_t rows = panel_rows(width, shape().cols());
    return rows * width * traits(dtype()).block_bytes + input_->staging_bytes(rows) + kPanelBytes;
  }
  void collect_inputs(std::vector<const TensorInfo*>& inputs) const override {
    input_->collect_inputs(inputs);
  }

 private:
  std::uint64_t panel_rows(std::uint64_t width, std::uint64_t height) const {
    const std::uint64_t bytes = std::max<std::uint64_t>(1, width * traits(dtype()).block_bytes);
    return std::clamp<std::uint64_t>(kPanelBytes / bytes, 1, std::max<std::uint64_t>(height, 1));
  }

  TensorExprPtr input_;
};

}  // namespace

TensorExprPtr transposed(TensorExprPtr input) {
  if (input->shape().rank() < 2 || traits(input->dtype()).block_elems != 1) {
    throw Error(ErrorKind::input_invalid, describe(*input) + " is not a matrix of plain numbers",
                "check that config.json belongs to these weights");
  }
  return std::make_shared<Transposed>(std::move(input));
}

}  // namespace qtz
