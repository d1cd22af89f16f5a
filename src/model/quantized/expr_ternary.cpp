// Weights of three values: packed four rows in one, or rounded to them while the model runs.
#include <cmath>
#include <mutex>

#include "model/quantized/expr_decode.h"
#include "qtz/core/half.h"

namespace qtz {

namespace {

class TernaryRows final : public Decoded<float> {
 public:
  TernaryRows(TensorExprPtr packed, TensorExprPtr scale, std::uint64_t rows, bool divide)
      : Decoded(Shape{rows, packed->shape().cols()}, DType::f32),
        packed_(std::move(packed)),
        scale_(std::move(scale)),
        divide_(divide) {}

  std::uint64_t staging_bytes(std::uint64_t count) const override {
    return own_staging(count) + count * shape().cols() + packed_->staging_bytes(count) + 64;
  }
  void collect_inputs(std::vector<const TensorInfo*>& inputs) const override {
    packed_->collect_inputs(inputs);
    scale_->collect_inputs(inputs);
  }

 protected:
  std::vector<float> decode(const Rect& rect) const override {
    const float scale = read_plain(*scale_, {0, 1, 0, 1}).front();
    const std::uint64_t packed_rows = packed_->shape().rows();
    std::vector<float> out(rect.rows * rect.cols);
    for (std::uint64_t done = 0; done < rect.rows;) {
      const std::uint64_t row = rect.first_row + done;
      const std::uint64_t count = std::min(rect.rows - done, packed_rows - row % packed_rows);
      const auto shift = static_cast<unsigned>(2 * (row / packed_rows));
      const std::vector<std::byte> codes =
          read_rect(*packed_, {row % packed_rows, count, rect.first_col, rect.cols});
      for (std::size_t i = 0; i < codes.size(); ++i) {
        const int code = static_cast<int>(std::to_integer<unsigned>(codes[i]) >> shift & 3);
        const auto value = static_cast<float>(code - 1);
        out[done * rect.cols + i] = divide_ ? value / scale : value * scale;
      }
      done += count;
    }
    return out;
  }

 private:
  TensorExprPtr packed_;
  TensorExprPtr scale_;
  bool divide_;
};

/// A number as the type holds it.
float as_stored(DType type, float value) {
  if (type == DType::bf16) return bf16_to_f32(f32_to_bf16(value));
  if (type == DType::f16) return f16_to_f32(f32_to_f16(value));
  return value;
}

/// The scale is the mean magnitude of all weights, so it takes a pass over the tensor, by whoever reads
/// first.
class AbsmeanTernary final : public Decoded<float> {
 public:
  explicit AbsmeanTernary(TensorExprPtr weights)
      : Decoded(weights->shape(), DType::f32), weights_(std::move(weights)) {}

  std::uint64_t staging_bytes(std::uint64_t count) const override {
    return own_staging(count) + plain_staging(*weights_, std::max(count, rows_at_once()));
  }
  void collect_inputs(std::vector<const TensorInfo*>& inputs) const override {
    weights_->collect_inputs(inputs);
  }

 protected:
  std::vector<float> decode(const Rect& rect) const override {
    std::call_once(measured_, [&] { measure(); });
    std::vector<float> values = read_plain(*weights_, rect);
    for (float& value : values) {
      const float scaled = value * inverse_;
      // Halves go to the even neighbour, zero. What is not a number stays so, and is refused where it is
      // used.
      if (std::fabs(scaled) <= 0.5f) {
        value = std::copysign(0.0f, scaled);
      } else if (!std::isnan(scaled)) {
        value = std::copysign(step_, scaled);
      } else {
        value = scaled;
      }
    }
    return values;
  }

 private:
  static constexpr float kLeastScale = 1e-5f;
  static constexpr std::uint64_t kElementsAtOnce = 1u << 16;

  std::uint64_t rows_at_once() const {
    return std::max<std::uint64_t>(1, kElementsAtOnce / std::max<std::uint64_t>(1, shape().cols()));
  }

  void measure() const {
    // max() would lose a mean that is NaN.
    const float mean = mean_magnitude();
    inverse_ = 1.0f / (mean < kLeastScale ? kLeastScale : mean);
    step_ = as_stored(weights_->dtype(), 1.0f / inverse_);
  }

  /// In double, so that the sum hangs on no order within what a float can tell; NaN if any weight is.
  float mean_magnitude() const {
    double sum = 0;
    const std::uint64_t rows = shape().rows();
    for (std::uint64_t first = 0; first < rows; first += rows_at_once()) {
      const std::uint64_t count = std::min(rows_at_once(), rows - first);
      for (const float value : read_plain(*weights_, {first, count, 0, shape().cols()}))
        sum += std::fabs(static_cast<double>(value));
    }
    return static_cast<float>(sum / static_cast<double>(shape().elements()));
  }

  TensorExprPtr weights_;
  mutable std::once_flag measured_;
  mutable float inverse_ = 0;
  mutable float step_ = 0;  ///< what is left of a weight
};

}  // namespace

TensorExprPtr ternary_rows(TensorExprPtr packed, TensorExprPtr scale, std::uint64_t rows, bool divide) {
  QTZ_CHECK(packed->dtype() == DType::u8 && packed->shape().rank() == 2 && scale->shape().elements() == 1);
  QTZ_CHECK(rows <= 4 * packed->shape()[0]);
  return std::make_shared<TernaryRows>(std::move(packed), reshaped(std::move(scale), Shape{1, 1}), rows,
                                       divide);
}

TensorExprPtr absmean_ternary(TensorExprPtr weights) {
  QTZ_CHECK(is_plain(weights->dtype()));
  return std::make_shared<AbsmeanTernary>(std::move(weights));
}

}  // namespace qtz
