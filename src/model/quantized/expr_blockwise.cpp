// Layouts that go their own ways: blocks over the flattened tensor, GGUF's MXFP4.
#include "model/quantized/expr_decode.h"

namespace qtz {

namespace {

class Blockwise final : public Decoded<float> {
 public:
  Blockwise(TensorExprPtr bytes, TensorExprPtr absmax, Shape shape, std::vector<float> table,
            std::uint64_t block)
      : Decoded(std::move(shape), DType::f32),
        bytes_(std::move(bytes)),
        absmax_(std::move(absmax)),
        table_(std::move(table)),
        block_(block) {}

  std::uint64_t staging_bytes(std::uint64_t count) const override {
    const std::uint64_t elems = count * shape().cols();
    return own_staging(count) + elems / 2 + elems / block_ * 2 * sizeof(float) + 64;
  }
  void collect_inputs(std::vector<const TensorInfo*>& inputs) const override {
    bytes_->collect_inputs(inputs);
    absmax_->collect_inputs(inputs);
  }

 protected:
  std::vector<float> decode(const Rect& rect) const override {
    std::vector<float> out(rect.rows * rect.cols);
    if (rect.cols == shape().cols()) {
      run(rect.first_row * rect.cols, out);
      return out;
    }
    for (std::uint64_t r = 0; r < rect.rows; ++r) {
      run((rect.first_row + r) * shape().cols() + rect.first_col,
          std::span(out).subspan(r * rect.cols, rect.cols));
    }
    return out;
  }

 private:
  /// Elements [first, first + out.size()) of the flattened tensor.
  void run(std::uint64_t first, std::span<float> out) const {
    const std::uint64_t width = row_bytes(bytes_->dtype(), bytes_->shape().cols());  // bytes of a stored row
    const std::uint64_t end = first + out.size();
    const std::uint64_t first_unit = first / 2 / width;
    const std::uint64_t units = (end + 2 * width - 1) / (2 * width) - first_unit;
    std::vector<std::byte> bytes(units * width);
    bytes_->read_rows(first_unit, units, bytes);
    const std::uint64_t first_block = first / block_;
    const std::uint64_t blocks = (end - 1) / block_ - first_block + 1;
    const std::vector<float> absmax = read_plain(*absmax_, {first_block, blocks, 0, 1});
    for (std::uint64_t i = first; i < end; ++i) {
      const unsigned pair = std::to_integer<unsigned>(bytes[i / 2 - first_unit * width]);
      const float value = table_[i % 2 == 0 ? pair >> 4 : pair & 15];
      out[i - first] = value * absmax[i / block_ - first_block];
    }
  }

  TensorExprPtr bytes_;
  TensorExprPtr absmax_;
  std::vector<float> table_;
  std::uint64_t block_;
};

constexpr std::uint64_t kHalfBlock = 16;  // bytes of codes in a block of MXFP4, and half its elements

Shape mxfp4_shape(const Shape& codes) {
  std::vector<std::uint64_t> dims = codes.dims();
  dims.pop_back();
  dims.back() *= 2 * kHalfBlock;
  return Shape(std::move(dims));
}

class Mxfp4Blocks final : public TensorExpr {
 public:
  Mxfp4Blocks(TensorExprPtr codes, TensorExprPtr exponents)
      : TensorExpr(mxfp4_shape(codes->shape()), DType::mxfp4),
        codes_(std::move(codes)),
        exponents_(std::move(exponents)) {}

  void read_rows(std::uint64_t first, std::uint64_t count, std::span<std::byte> out) const override {
    const std::uint64_t blocks = exponents_->shape().cols();
    std::vector<std::byte> codes(count * blocks * kHalfBlock);
    std::vector<std::byte> exponents(count * blocks);
    codes_->read_rows(first * blocks, count * blocks, codes);
    exponents_->read_rows(first, count, exponents);
    QTZ_CHECK(out.size() == exponents.size() * (kHalfBlock + 1));
    for (std::size_t block = 0; block < exponents.size(); ++block) {
      const std::byte* const in = codes.data() + block * kHalfBlock;
      std::byte* const to = out.data() + block * (kHalfBlock + 1);
      to[0] = exponents[block];
      // Element i is nibble i of the input; GGUF has elements i and i + 16 in byte i.
      for (std::size_t i = 0; i < kHalfBlock; ++i) {
        const auto nibble = [&](std::size_t at) { return in[at / 2] >> (at % 2 * 4) & std::byte{15}; };
        to[1 + i] = nibble(i) | nibble(i + kHalfBlock) << 4;
      }
    }
  }

  std::uint64_t staging_bytes(std::uint64_t count) const override {
    return count * exponents_->shape().cols() * (kHalfBlock + 1) + codes_->staging_bytes(count) +
           exponents_->staging_bytes(count);
  }
  void collect_inputs(std::vector<const TensorInfo*>& inputs) const override {
    codes_->collect_inputs(inputs);
    exponents_->collect_inputs(inputs);
  }

 private:
  TensorExprPtr codes_;
  TensorExprPtr exponents_;
};

}  // namespace

TensorExprPtr blockwise(TensorExprPtr bytes, TensorExprPtr absmax, Shape shape, std::vector<float> table,
                        std::uint64_t block) {
  const std::uint64_t elements = shape.elements();
  QTZ_CHECK(block > 0 && table.size() == 16 && is_plain(absmax->dtype()) && absmax->shape().cols() == 1);
  QTZ_CHECK(absmax->shape().rows() == (elements + block - 1) / block);
  QTZ_CHECK(bytes->shape().rows() * row_bytes(bytes->dtype(), bytes->shape().cols()) >= (elements + 1) / 2);
  return std::make_shared<Blockwise>(std::move(bytes), std::move(absmax), std::move(shape), std::move(table),
                                     block);
}

TensorExprPtr mxfp4_blocks(TensorExprPtr codes, TensorExprPtr exponents) {
  QTZ_CHECK(codes->shape().rank() == exponents->shape().rank() + 1 && codes->shape().cols() == kHalfBlock);
  QTZ_CHECK(codes->shape().elements() == exponents->shape().elements() * kHalfBlock);
  QTZ_CHECK(exponents->shape().rank() > 0);
  return std::make_shared<Mxfp4Blocks>(std::move(codes), std::move(exponents));
}

}  // namespace qtz
