// Numbers or codes, and the scales of their blocks.
#include "model/quantized/expr_decode.h"

namespace qtz {

namespace {

class Scaled final : public Decoded<float> {
 public:
  Scaled(TensorExprPtr values, TensorExprPtr scales, const ScaleBlocks& blocks)
      : Decoded(values->shape(), DType::f32),
        values_(std::move(values)),
        scales_(std::move(scales)),
        blocks_(blocks),
        row_blocks_((blocks.matrix_rows + blocks.rows - 1) / blocks.rows) {}

  std::uint64_t staging_bytes(std::uint64_t count) const override {
    return own_staging(count) + plain_staging(*values_, count) +
           plain_staging(*scales_, std::min(count, count / blocks_.rows + 2));
  }
  void collect_inputs(std::vector<const TensorInfo*>& inputs) const override {
    values_->collect_inputs(inputs);
    scales_->collect_inputs(inputs);
  }

 protected:
  std::vector<float> decode(const Rect& rect) const override {
    std::vector<float> out = read_plain(*values_, rect);
    const std::uint64_t first_row = scale_row(rect.first_row);
    const std::uint64_t rows = scale_row(rect.first_row + rect.rows - 1) - first_row + 1;
    const std::uint64_t first_col = rect.first_col / blocks_.cols;
    const std::uint64_t cols = (rect.first_col + rect.cols - 1) / blocks_.cols - first_col + 1;
    const std::vector<float> scales = read_plain(*scales_, {first_row, rows, first_col, cols});
    for (std::uint64_t r = 0; r < rect.rows; ++r) {
      const float* row_scales = scales.data() + (scale_row(rect.first_row + r) - first_row) * cols;
      float* row = out.data() + r * rect.cols;
      for (std::uint64_t c = 0; c < rect.cols;) {
        const std::uint64_t block = (rect.first_col + c) / blocks_.cols;
        const std::uint64_t end = std::min(rect.cols, (block + 1) * blocks_.cols - rect.first_col);
        const float scale = row_scales[block - first_col];
        if (blocks_.divide) {
          for (; c < end; ++c) row[c] /= scale;
        } else {
          for (; c < end; ++c) row[c] *= scale;
        }
      }
    }
    return out;
  }

 private:
  std::uint64_t scale_row(std::uint64_t row) const {
    return row / blocks_.matrix_rows * row_blocks_ + row % blocks_.matrix_rows / blocks_.rows;
  }

  TensorExprPtr values_;
  TensorExprPtr scales_;
  ScaleBlocks blocks_;
  std::uint64_t row_blocks_;
};

class Dequantized final : public Decoded<float> {
 public:
  Dequantized(TensorExprPtr codes, TensorExprPtr scales, TensorExprPtr zeros, CodeGroups groups)
      : Decoded(codes->shape(), DType::f32),
        codes_(std::move(codes)),
        scales_(std::move(scales)),
        zeros_(std::move(zeros)),
        groups_(std::move(groups)) {}

  std::uint64_t staging_bytes(std::uint64_t count) const override {
    const std::uint64_t zeros = zeros_ == nullptr ? 0 : plain_staging(*zeros_, count);
    return own_staging(count) + plain_staging(*codes_, count) + plain_staging(*scales_, count) + zeros;
  }
  void collect_inputs(std::vector<const TensorInfo*>& inputs) const override {
    codes_->collect_inputs(inputs);
    scales_->collect_inputs(inputs);
    if (zeros_ != nullptr) zeros_->collect_inputs(inputs);
  }

 protected:
  std::vector<float> decode(const Rect& rect) const override {
    const std::vector<std::byte> codes = read_rect(*codes_, rect);
    const std::uint64_t groups = scales_->shape().cols();
    const Rect all_groups{rect.first_row, rect.rows, 0, groups};
    const std::vector<float> scales = read_plain(*scales_, all_groups);
    const std::vector<std::byte> zeros =
        zeros_ == nullptr ? std::vector<std::byte>(rect.rows * groups, static_cast<std::byte>(groups_.zero))
                          : read_rect(*zeros_, all_groups);
    std::vector<float> out(codes.size());
    for (std::uint64_t r = 0; r < rect.rows; ++r) {
      for (std::uint64_t c = 0; c < rect.cols; ++c) {
        const std::uint64_t i = r * rect.cols + c;
        const std::uint64_t group = r * groups + group_of(rect.first_col + c);
        const int code = std::to_integer<int>(codes[i]) - std::to_integer<int>(zeros[group]);
        out[i] = scales[group] * static_cast<float>(code);
      }
    }
    return out;
  }

 private:
  std::uint64_t group_of(std::uint64_t col) const {
    return groups_.groups.empty() ? col / groups_.group_size : groups_.groups[col];
  }

  TensorExprPtr codes_;
  TensorExprPtr scales_;
  TensorExprPtr zeros_;  ///< null: one zero for all
  CodeGroups groups_;
};

}  // namespace

TensorExprPtr scaled(TensorExprPtr values, TensorExprPtr scales, const ScaleBlocks& blocks) {
  QTZ_CHECK(is_plain(values->dtype()) && is_plain(scales->dtype()));
  QTZ_CHECK(blocks.matrix_rows > 0 && blocks.rows > 0 && blocks.cols > 0);
  QTZ_CHECK(values->shape().rows() % blocks.matrix_rows == 0);
  const std::uint64_t row_blocks = (blocks.matrix_rows + blocks.rows - 1) / blocks.rows;
  QTZ_CHECK(scales->shape().rows() == values->shape().rows() / blocks.matrix_rows * row_blocks);
  QTZ_CHECK(scales->shape().cols() == (values->shape().cols() + blocks.cols - 1) / blocks.cols);
  return std::make_shared<Scaled>(std::move(values), std::move(scales), blocks);
}

TensorExprPtr dequantized(TensorExprPtr codes, TensorExprPtr scales, TensorExprPtr zeros, CodeGroups groups) {
  QTZ_CHECK(codes->dtype() == DType::u8 && is_plain(scales->dtype()));
  QTZ_CHECK(codes->shape().rows() == scales->shape().rows());
  QTZ_CHECK(zeros == nullptr || (zeros->dtype() == DType::u8 && zeros->shape() == scales->shape()));
  const std::uint64_t cols = codes->shape().cols();
  const std::uint64_t count = scales->shape().cols();
  if (groups.groups.empty()) {
    QTZ_CHECK(groups.group_size > 0 && (cols + groups.group_size - 1) / groups.group_size == count);
  } else {
    QTZ_CHECK(groups.groups.size() == cols);
    for (const std::uint32_t group : groups.groups) QTZ_CHECK(group < count);
  }
  return std::make_shared<Dequantized>(std::move(codes), std::move(scales), std::move(zeros),
                                       std::move(groups));
}

}  // namespace qtz
