#include "model/expr_product.h"

#include <algorithm>
#include <vector>

#include "model/tensor_ops.h"
#include "qtz/core/error.h"

namespace qtz {

namespace {

class Product final : public TensorExpr {
 public:
  Product(TensorExprPtr a, TensorExprPtr b)
      : TensorExpr(a->shape(), DType::f32), a_(std::move(a)), b_(std::move(b)) {}

  void read_rows(std::uint64_t first, std::uint64_t count, std::span<std::byte> out) const override {
    std::vector<float> left = floats_of(*a_, first, count);
    const std::vector<float> right = floats_of(*b_, first, count);
    for (std::size_t i = 0; i < left.size(); ++i) left[i] *= right[i];
    QTZ_CHECK(out.size() == left.size() * sizeof(float));
    std::ranges::copy(std::as_bytes(std::span(left)), out.begin());
  }
  std::uint64_t staging_bytes(std::uint64_t count) const override {
    return count * shape().cols() * 4 * sizeof(float) + a_->staging_bytes(count) + b_->staging_bytes(count);
  }
  void collect_inputs(std::vector<const TensorInfo*>& inputs) const override {
    a_->collect_inputs(inputs);
    b_->collect_inputs(inputs);
  }

 private:
  std::vector<float> floats_of(const TensorExpr& input, std::uint64_t first, std::uint64_t count) const {
    std::vector<std::byte> bytes(count * row_bytes(input.dtype(), shape().cols()));
    input.read_rows(first, count, bytes);
    std::vector<float> values(count * shape().cols());
    widen_to_f32(input.dtype(), bytes, values);
    return values;
  }

  TensorExprPtr a_;
  TensorExprPtr b_;
};

}  // namespace

TensorExprPtr product(TensorExprPtr a, TensorExprPtr b) {
  const std::uint64_t count = a->shape().elements();
  if (b->shape().elements() != count) {
    throw Error(ErrorKind::input_invalid, describe(*a) + " and " + describe(*b) + " differ in size",
                "check that config.json belongs to these weights");
  }
  return std::make_shared<Product>(reshaped(widened(std::move(a)), Shape{count}),
                                   reshaped(widened(std::move(b)), Shape{count}));
}

}  // namespace qtz
