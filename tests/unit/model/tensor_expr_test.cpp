#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "model/tensor_ops.h"
#include "qtz/core/half.h"
#include "support/expect_error.h"
#include "unit/model/weights_writer.h"

namespace qtz {
namespace {

using test::expect_error;

/// Stored tensors: "m" [6, 4] and "t" [2, 3, 4] counting from 0, "v" [8], the same in other types.
class TensorExprTest : public testing::Test {
 protected:
  TensorExprTest() {
    std::vector<std::uint16_t> bf16(24);
    std::vector<std::uint16_t> f16(24);
    std::vector<double> f64(24);
    for (unsigned i = 0; i < 24; ++i) {
      bf16[i] = f32_to_bf16(static_cast<float>(i));
      f16[i] = f32_to_f16(static_cast<float>(i));
      f64[i] = i;
    }
    std::vector<std::int8_t> bytes(24);
    std::iota(bytes.begin(), bytes.end(), std::int8_t{0});
    test::WeightsWriter writer;
    writer.add_counting("m", {6, 4}).add_counting("t", {2, 3, 4}).add_counting("v", {8});
    writer.add("bf16", "BF16", {6, 4}, bf16).add("f16", "F16", {6, 4}, f16).add("f64", "F64", {6, 4}, f64);
    writer.add("i8", "I8", {6, 4}, bytes).add_counting("wide", {3, 2500}).add_counting("tall", {2500, 3});
    writer.add_counting("empty", {0, 4}).add("f4", "F4", {4, 4}, std::vector<std::uint8_t>(8));
    source_ = std::make_unique<SafetensorsSource>(folder_.add("model.safetensors", writer.bytes()));
  }

  TensorExprPtr get(const std::string& name) const { return stored(*source_, *source_->find(name)); }

  /// All values, read in one go, and checked against reading row by row.
  static std::vector<float> values(const TensorExpr& expr) {
    const std::vector<float> all = read_floats(expr);
    const std::uint64_t row = row_bytes(expr.dtype(), expr.shape().cols());
    std::vector<float> by_row;
    for (std::uint64_t r = 0; r < expr.shape().rows(); ++r) {
      std::vector<std::byte> bytes(row);
      expr.read_rows(r, 1, bytes);
      std::vector<float> part(expr.shape().cols());
      widen_to_f32(expr.dtype(), bytes, part);
      by_row.insert(by_row.end(), part.begin(), part.end());
    }
    EXPECT_EQ(all, by_row);
    return all;
  }

  test::ScratchFolder folder_;
  std::unique_ptr<SafetensorsSource> source_;
};

using Floats = std::vector<float>;

Floats counting(float first, std::size_t count) {
  Floats out(count);
  std::iota(out.begin(), out.end(), first);
  return out;
}

TEST_F(TensorExprTest, a_stored_tensor_is_itself) {
  const auto expr = get("m");
  EXPECT_EQ(expr->shape(), (Shape{6, 4}));
  EXPECT_EQ(expr->dtype(), DType::f32);
  EXPECT_EQ(values(*expr), counting(0, 24));
  std::vector<const TensorInfo*> inputs;
  expr->collect_inputs(inputs);
  ASSERT_EQ(inputs.size(), 1U);
  EXPECT_EQ(inputs[0]->name, "m");
  EXPECT_EQ(expr->staging_bytes(100), 0U);
}

TEST_F(TensorExprTest, a_block_is_a_part_of_some_rows) {
  Floats block(4);
  get("m")->read_block(2, 2, 1, 2, std::as_writable_bytes(std::span(block)));
  EXPECT_EQ(block, (Floats{9, 10, 13, 14}));
  // Rows so long that parts are read one by one.
  Floats parts(4);
  get("wide")->read_block(1, 2, 2498, 2, std::as_writable_bytes(std::span(parts)));
  EXPECT_EQ(parts, (Floats{4998, 4999, 7498, 7499}));
}

TEST_F(TensorExprTest, a_reshape_keeps_the_order_of_elements) {
  for (const Shape& shape :
       {Shape{4, 6}, Shape{24}, Shape{24, 1}, Shape{1, 24}, Shape{2, 3, 4}, Shape{8, 3}}) {
    const auto expr = reshaped(get("m"), shape);
    EXPECT_EQ(expr->shape(), shape);
    EXPECT_EQ(values(*expr), counting(0, 24)) << shape.to_string();
  }
  expect_error(ErrorKind::input_invalid, "'m' [6, 4] cannot be seen as [5, 5]", [&] {
    reshaped(get("m"), Shape{5, 5});
  });
}

TEST_F(TensorExprTest, a_slice_takes_indices_of_any_axis) {
  EXPECT_EQ(values(*sliced(get("m"), 0, 2, 2)), counting(8, 8));
  EXPECT_EQ(values(*sliced(get("t"), 1, 1, 1)), (Floats{4, 5, 6, 7, 16, 17, 18, 19}));
  EXPECT_EQ(sliced(get("t"), 1, 1, 1)->shape(), (Shape{2, 1, 4}));
  EXPECT_EQ(values(*sliced(get("m"), 1, 3, 1)), (Floats{3, 7, 11, 15, 19, 23}));
  EXPECT_EQ(values(*sliced(get("v"), 0, 3, 2)), (Floats{3, 4}));
  expect_error(ErrorKind::input_invalid, "no indices 5 to 7 on axis 0", [&] { sliced(get("m"), 0, 5, 2); });
  expect_error(ErrorKind::input_invalid, "on axis 2", [&] { sliced(get("m"), 2, 0, 1); });
}

TEST_F(TensorExprTest, a_stride_takes_every_second_index) {
  EXPECT_EQ(values(*strided(get("m"), 0, 1, 2)), (Floats{4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23}));
  EXPECT_EQ(values(*strided(get("v"), 0, 0, 2)), (Floats{0, 2, 4, 6}));
  EXPECT_EQ(values(*strided(get("m"), 1, 1, 4)), (Floats{1, 5, 9, 13, 17, 21}));
  expect_error(ErrorKind::input_invalid, "cannot be split in 4", [&] { strided(get("m"), 0, 0, 4); });
}

TEST_F(TensorExprTest, swapped_groups_reorder_an_axis) {
  // Six rows as one head of 2 x 3: halves become pairs.
  EXPECT_EQ(values(*sliced(swapped_groups(get("m"), 0, 1, 2, 3), 1, 0, 1)), (Floats{0, 12, 4, 16, 8, 20}));
  // Eight elements as two heads of 2 x 2.
  EXPECT_EQ(values(*swapped_groups(get("v"), 0, 2, 2, 2)), (Floats{0, 2, 1, 3, 4, 6, 5, 7}));
  // Groups of two columns.
  EXPECT_EQ(values(*sliced(swapped_groups(get("m"), 1, 1, 2, 2), 0, 0, 1)), (Floats{0, 2, 1, 3}));
  // Twice is back.
  EXPECT_EQ(values(*swapped_groups(swapped_groups(get("m"), 0, 1, 2, 3), 0, 1, 3, 2)), counting(0, 24));
  expect_error(ErrorKind::input_invalid, "groups along axis 0",
               [&] { swapped_groups(get("m"), 0, 1, 4, 2); });
  expect_error(ErrorKind::input_invalid, "groups along axis 0",
               [&] { swapped_groups(get("m"), 0, 0, 1, 1); });
}

TEST_F(TensorExprTest, gathered_rows_far_apart_and_close_come_in_the_wanted_order) {
  const auto reversed =
      gathered_rows(get("tall"), Shape{2500, 3}, [](std::uint64_t row) { return 2499 - row; });
  EXPECT_EQ(values(*sliced(reversed, 0, 0, 2)), (Floats{7497, 7498, 7499, 7494, 7495, 7496}));
  const auto apart =
      gathered_rows(get("tall"), Shape{3, 3}, [](std::uint64_t row) { return row == 1 ? 0 : 2499 - row; });
  EXPECT_EQ(values(*apart), (Floats{7497, 7498, 7499, 0, 1, 2, 7491, 7492, 7493}));
}

TEST_F(TensorExprTest, a_stack_has_a_new_first_axis) {
  const auto expr = stacked({get("m"), get("m"), get("m")});
  EXPECT_EQ(expr->shape(), (Shape{3, 6, 4}));
  Floats thrice = counting(0, 24);
  thrice.insert(thrice.end(), thrice.begin(), thrice.begin() + 24);
  thrice.insert(thrice.end(), thrice.begin(), thrice.begin() + 24);
  EXPECT_EQ(values(*expr), thrice);
  EXPECT_EQ(stacked({get("v"), get("v")})->shape(), (Shape{2, 8}));
  std::vector<const TensorInfo*> inputs;
  expr->collect_inputs(inputs);
  EXPECT_EQ(inputs.size(), 3U);
  expect_error(ErrorKind::input_invalid, "cannot be stacked", [&] { stacked({get("m"), get("t")}); });
  expect_error(ErrorKind::input_invalid, "type differ", [&] { stacked({get("m"), get("bf16")}); });
}

TEST_F(TensorExprTest, concatenation_joins_along_the_first_axis) {
  const auto expr = concatenated({sliced(get("m"), 0, 4, 2), get("m")});
  EXPECT_EQ(expr->shape(), (Shape{8, 4}));
  Floats expected = counting(16, 8);
  const Floats all = counting(0, 24);
  expected.insert(expected.end(), all.begin(), all.end());
  EXPECT_EQ(values(*expr), expected);
  EXPECT_EQ(values(*concatenated({get("v"), sliced(get("v"), 0, 0, 2)})),
            (Floats{0, 1, 2, 3, 4, 5, 6, 7, 0, 1}));
  expect_error(ErrorKind::input_invalid, "cannot be joined", [&] { concatenated({get("m"), get("t")}); });
}

TEST_F(TensorExprTest, transposing_swaps_the_last_two_axes) {
  const auto expr = transposed(get("t"));
  EXPECT_EQ(expr->shape(), (Shape{2, 4, 3}));
  EXPECT_EQ(values(*expr), (Floats{0,  4,  8,  1,  5,  9,  2,  6,  10, 3,  7,  11,  //
                                   12, 16, 20, 13, 17, 21, 14, 18, 22, 15, 19, 23}));
  EXPECT_EQ(values(*transposed(transposed(get("m")))), counting(0, 24));
  expect_error(ErrorKind::input_invalid, "is not a matrix", [&] { transposed(get("v")); });
}

TEST_F(TensorExprTest, transposing_works_for_every_width_and_through_other_nodes) {
  for (const char* name : {"wide", "tall"}) {
    const auto expr = transposed(get(name));
    const Floats found = values(*expr);
    const std::uint64_t rows = expr->shape()[0];
    const std::uint64_t cols = expr->shape()[1];
    for (std::uint64_t r = 0; r < rows; ++r) {
      for (std::uint64_t c = 0; c < cols; ++c)
        ASSERT_EQ(found[r * cols + c], static_cast<float>(c * rows + r));
    }
  }
  EXPECT_EQ(values(*transposed(swapped_groups(get("m"), 0, 1, 2, 3))),
            (Floats{0, 12, 4, 16, 8, 20, 1, 13, 5, 17, 9, 21, 2, 14, 6, 18, 10, 22, 3, 15, 7, 19, 11, 23}));
  EXPECT_EQ(values(*transposed(stacked({get("m"), get("m")}))).size(), 48U);
  EXPECT_EQ(values(*transposed(reshaped(get("t"), Shape{6, 4}))), values(*transposed(get("m"))));
  for (const char* name : {"bf16", "f16", "f64"}) {
    EXPECT_EQ(values(*transposed(get(name))), values(*transposed(get("m")))) << name;
  }
}

TEST_F(TensorExprTest, moves_keep_bytes_that_are_not_numbers) {
  const auto expr = transposed(get("i8"));
  EXPECT_EQ(expr->dtype(), DType::i8);
  std::vector<std::byte> bytes(24);
  expr->read_rows(0, 4, bytes);
  EXPECT_EQ(bytes[1], std::byte{4});
  EXPECT_EQ(bytes[6], std::byte{1});
  expect_error(ErrorKind::input_invalid, "type I8", [&] { plus(get("i8"), 1); });
  expect_error(ErrorKind::input_invalid, "type I8", [&] { read_floats(*get("i8")); });
}

TEST_F(TensorExprTest, elements_stored_several_together_are_not_taken_apart) {
  constexpr const char* kMessage = "'f4' [4, 4] has type F4, whose elements cannot be moved singly";
  expect_error(ErrorKind::input_invalid, kMessage, [&] { reshaped(get("f4"), Shape{16, 1}); });
  expect_error(ErrorKind::input_invalid, kMessage, [&] { sliced(get("f4"), 1, 0, 2); });
  expect_error(ErrorKind::input_invalid, kMessage, [&] { swapped_groups(get("f4"), 1, 1, 2, 2); });
  EXPECT_EQ(sliced(get("f4"), 0, 1, 2)->shape(), (Shape{2, 4})) << "rows stay whole";
  EXPECT_EQ(reshaped(get("f4"), Shape{2, 2, 4})->shape(), (Shape{2, 2, 4}));
}

TEST_F(TensorExprTest, computations_are_in_f32_whatever_is_stored) {
  for (const char* name : {"m", "bf16", "f16", "f64"}) {
    const auto expr = plus(get(name), 1);
    EXPECT_EQ(expr->dtype(), DType::f32);
    EXPECT_EQ(values(*expr), counting(1, 24)) << name;
  }
  EXPECT_EQ(values(*times(get("v"), 0.5F))[3], 1.5F);
  const Floats exponentials = values(*negative_exp(get("v")));
  EXPECT_EQ(exponentials[0], -1.0F);
  EXPECT_EQ(exponentials[2], -static_cast<float>(std::exp(2.0)));
  EXPECT_EQ(values(*widened(get("f64"))), counting(0, 24));
}

TEST_F(TensorExprTest, constants_are_their_values) {
  const auto expr = constant(Shape{2, 2}, {1, 2, 3, 4});
  EXPECT_EQ(values(*expr), (Floats{1, 2, 3, 4}));
  std::vector<const TensorInfo*> inputs;
  expr->collect_inputs(inputs);
  EXPECT_TRUE(inputs.empty());
}

TEST_F(TensorExprTest, zeros_fill_up) {
  const auto expr = concatenated({get("bf16"), zeros(Shape{2, 4}, DType::bf16)});
  EXPECT_EQ(expr->shape(), (Shape{8, 4}));
  Floats expected = counting(0, 24);
  expected.resize(32, 0.0F);
  EXPECT_EQ(values(*expr), expected);
}

TEST_F(TensorExprTest, nothing_is_read_of_an_empty_tensor) {
  for (const TensorExprPtr& expr :
       {get("empty"), sliced(get("empty"), 1, 1, 2), transposed(get("empty")), plus(get("empty"), 1),
        swapped_groups(get("empty"), 0, 1, 2, 3), stacked({get("empty"), get("empty")})}) {
    EXPECT_EQ(expr->shape().elements(), 0U);
    EXPECT_TRUE(read_floats(*expr).empty());
  }
}

TEST_F(TensorExprTest, staging_grows_with_the_rows_asked_for_and_is_bounded_for_panels) {
  EXPECT_GT(plus(get("m"), 1)->staging_bytes(6), plus(get("m"), 1)->staging_bytes(1));
  EXPECT_LT(transposed(get("wide"))->staging_bytes(2500), std::uint64_t{4} << 20);
}

}  // namespace
}  // namespace qtz
