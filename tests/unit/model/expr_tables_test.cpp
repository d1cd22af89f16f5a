// Tables of numbers that point at something, and products of two tensors.
#include <gtest/gtest.h>

#include "model/expr_indices.h"
#include "model/expr_product.h"
#include "model/tensor_ops.h"
#include "support/expect_error.h"
#include "unit/model/weights_writer.h"

namespace qtz {
namespace {

using test::expect_error;

class ExprTables : public testing::Test {
 protected:
  ExprTables() {
    test::WeightsWriter writer;
    writer.add("wide", "I64", {2, 3}, std::vector<std::int64_t>{0, 1, 2, 3, 2, 1});
    writer.add("narrow", "I32", {1, 3}, std::vector<std::int32_t>{2, 0, -1});
    writer.add_counting("row", {1, 4}).add_counting("vector", {4}).add_counting("longer", {5});
    source_ = std::make_unique<SafetensorsSource>(folder_.add("model.safetensors", writer.bytes()));
  }

  TensorExprPtr get(const std::string& name) const { return stored(*source_, *source_->find(name)); }

  static std::vector<std::int32_t> numbers(const TensorExpr& expr) {
    std::vector<std::int32_t> out(expr.shape().elements());
    expr.read_rows(0, expr.shape().rows(), std::as_writable_bytes(std::span(out)));
    return out;
  }

  test::ScratchFolder folder_;
  std::unique_ptr<SafetensorsSource> source_;
};

TEST_F(ExprTables, indices_are_narrowed_and_keep_their_shape) {
  const TensorExprPtr table = indices(get("wide"), 4, "experts");
  EXPECT_EQ(table->dtype(), DType::i32);
  EXPECT_EQ(table->shape(), (Shape{2, 3}));
  EXPECT_EQ(numbers(*table), (std::vector<std::int32_t>{0, 1, 2, 3, 2, 1}));
}

TEST_F(ExprTables, indices_beyond_what_there_is_are_refused) {
  const TensorExprPtr beyond = indices(get("wide"), 3, "experts");
  expect_error(ErrorKind::input_invalid, "tensor 'wide' [2, 3] holds 3, but there are 3 experts",
               [&] { numbers(*beyond); });
  const TensorExprPtr negative = indices(get("narrow"), 3, "experts");
  expect_error(ErrorKind::input_invalid, "holds -1, but there are 3 experts", [&] { numbers(*negative); });
  expect_error(ErrorKind::input_invalid, "has type F32, but whole numbers are needed here",
               [&] { indices(get("row"), 3, "experts"); });
}

TEST_F(ExprTables, a_product_is_that_of_the_elements_in_order) {
  const TensorExprPtr squares = product(get("row"), get("vector"));
  EXPECT_EQ(squares->shape(), (Shape{4}));
  EXPECT_EQ(read_floats(*squares), (std::vector<float>{0, 1, 4, 9}));
  expect_error(ErrorKind::input_invalid, "differ in size", [&] { product(get("vector"), get("longer")); });
}

}  // namespace
}  // namespace qtz
