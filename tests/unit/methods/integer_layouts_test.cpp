#include "qtz/methods/integer_layouts.h"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "qtz/core/half.h"
#include "support/expect_error.h"

namespace qtz {
namespace {

using Words = std::vector<std::uint32_t>;

std::vector<std::uint8_t> counted(unsigned bits, std::uint64_t factor = 1, std::uint64_t first = 0) {
  std::vector<std::uint8_t> codes;
  for (std::uint64_t k = 0; k < 32; ++k)
    codes.push_back(static_cast<std::uint8_t>((factor * k + first) % (1U << bits)));
  return codes;
}

// What AutoGPTQ's packing loops give.
TEST(IntegerLayouts, pack_dense_streams_from_the_lowest_bit) {
  EXPECT_EQ(pack_dense(counted(2), 2), (Words{0xE4E4E4E4, 0xE4E4E4E4}));
  EXPECT_EQ(pack_dense(counted(3), 3), (Words{0x88FAC688, 0xC688FAC6, 0xFAC688FA}));
  EXPECT_EQ(pack_dense(counted(4), 4), (Words{0x76543210, 0xFEDCBA98, 0x76543210, 0xFEDCBA98}));
  EXPECT_EQ(pack_dense(counted(5), 5), (Words{0x8A418820, 0xC5A92839, 0xCA307B9A, 0x38BDAB49, 0xFFBBCDEB}));
  EXPECT_EQ(pack_dense(counted(6), 6),
            (Words{0x440C2040, 0xA2481C61, 0x3CE34C2C, 0x544D2450, 0xA6585D65, 0x7DE75C6D}));
  EXPECT_EQ(pack_dense(counted(7), 7),
            (Words{0x40608080, 0x880E1828, 0x68C16284, 0x88901E38, 0x58A94264, 0x668C982E, 0x3E78E9C3}));
  EXPECT_EQ(pack_dense(counted(8), 8).front(), 0x03020100U);
  EXPECT_EQ(pack_dense(counted(3, 7, 3), 3), (Words{0x53977053, 0x70539770, 0x97705397}));
  EXPECT_EQ(pack_dense(std::vector<std::uint8_t>{7, 7}, 3), (Words{0x3F}));
}

IntegerMatrix some_matrix(const IntegerScheme& scheme, std::uint64_t rows, std::uint64_t cols) {
  IntegerMatrix matrix;
  matrix.scheme = scheme;
  matrix.rows = rows;
  matrix.cols = cols;
  const unsigned codes = 1U << scheme.bits;
  for (std::uint64_t i = 0; i < rows * cols; ++i)
    matrix.codes.push_back(static_cast<std::uint8_t>((i * i + 3 * i) % codes));
  for (std::uint64_t i = 0; i < scheme.groups(cols) * rows; ++i) {
    matrix.scales.push_back(0.25f * static_cast<float>(1 + i % 7));
    matrix.zeros.push_back(
        static_cast<std::uint8_t>(scheme.symmetric ? codes / 2 : scheme.least_zero + i % (codes - 1)));
  }
  return matrix;
}

std::uint32_t word(const std::vector<std::byte>& bytes, std::uint64_t index) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data() + index * sizeof value, sizeof value);
  return value;
}

/// Code `index` of a dense stream whose words are `stride` apart.
unsigned code_at(const std::vector<std::byte>& bytes, std::uint64_t first, std::uint64_t stride,
                 std::uint64_t index, unsigned bits) {
  unsigned code = 0;
  for (unsigned bit = 0; bit < bits; ++bit) {
    const std::uint64_t at = index * bits + bit;
    code |= (word(bytes, first + at / 32 * stride) >> (at % 32) & 1U) << bit;
  }
  return code;
}

void expect_shapes(IntegerLayout layout, const IntegerMatrix& matrix,
                   const std::vector<std::vector<std::byte>>& stored) {
  const auto parts = integer_parts(layout, matrix.scheme, matrix.rows, matrix.cols);
  ASSERT_EQ(stored.size(), parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    EXPECT_EQ(stored[i].size(), parts[i].shape.rows() * row_bytes(parts[i].dtype, parts[i].shape.cols()))
        << parts[i].suffix;
  }
}

class Bits : public testing::TestWithParam<unsigned> {};

TEST_P(Bits, gptq_packs_along_the_inputs) {
  for (const IntegerLayout layout : {IntegerLayout::gptq, IntegerLayout::gptq_v2}) {
    const unsigned less = layout == IntegerLayout::gptq ? 1 : 0;
    const IntegerMatrix matrix =
        some_matrix({.bits = GetParam(), .group_size = 32, .symmetric = false, .least_zero = less}, 96, 64);
    const auto stored = store_integers(layout, matrix);
    expect_shapes(layout, matrix, stored);
    for (std::uint64_t c = 0; c < matrix.cols; ++c) {
      for (std::uint64_t r = 0; r < matrix.rows; ++r)
        ASSERT_EQ(code_at(stored[0], r, matrix.rows, c, GetParam()), matrix.codes[c * matrix.rows + r]);
    }
    const std::uint64_t width = matrix.rows * GetParam() / 32;
    for (std::uint64_t g = 0; g < 2; ++g) {
      for (std::uint64_t r = 0; r < matrix.rows; ++r)
        ASSERT_EQ(code_at(stored[1], g * width, 1, r, GetParam()) + less, matrix.zeros[g * matrix.rows + r]);
    }
    EXPECT_EQ(word(stored[3], 31), 0U);
    EXPECT_EQ(word(stored[3], 32), 1U);
  }
}

TEST_P(Bits, compressed_tensors_pack_along_the_rows) {
  const IntegerMatrix matrix =
      some_matrix({.bits = GetParam(), .group_size = 10, .symmetric = false, .bf16_scales = true}, 7, 30);
  const auto stored = store_integers(IntegerLayout::compressed, matrix);
  expect_shapes(IntegerLayout::compressed, matrix, stored);
  const std::uint64_t width = (matrix.cols * GetParam() + 31) / 32;
  for (std::uint64_t r = 0; r < matrix.rows; ++r) {
    for (std::uint64_t c = 0; c < matrix.cols; ++c)
      ASSERT_EQ(code_at(stored[0], r * width, 1, c, GetParam()), matrix.codes[c * matrix.rows + r]);
    for (std::uint64_t g = 0; g < 3; ++g) {
      ASSERT_EQ(code_at(stored[3], g, 3, r, GetParam()), matrix.zeros[g * matrix.rows + r]);
      std::uint16_t scale = 0;
      std::memcpy(&scale, stored[1].data() + (r * 3 + g) * 2, 2);
      ASSERT_EQ(bf16_to_f32(scale), matrix.scales[g * matrix.rows + r]);
    }
  }
  EXPECT_EQ(word(stored[2], 0), 7U);
  EXPECT_EQ(word(stored[2], 2), 30U);
}

INSTANTIATE_TEST_SUITE_P(IntegerLayouts, Bits, testing::Values(2U, 3U, 4U, 5U, 8U));

TEST(IntegerLayouts, symmetric_gptq_has_the_zeros_that_readers_look_for) {
  const auto zeros = [](unsigned bits, IntegerLayout layout) {
    return word(store_integers(layout, some_matrix({.bits = bits}, 32, 32))[1], 0);
  };
  EXPECT_EQ(zeros(2, IntegerLayout::gptq), 0x55555555U);
  EXPECT_EQ(zeros(3, IntegerLayout::gptq), 0xDB6DB6DBU);
  EXPECT_EQ(zeros(4, IntegerLayout::gptq), 0x77777777U);
  EXPECT_EQ(zeros(8, IntegerLayout::gptq), 0x7F7F7F7FU);
  EXPECT_EQ(zeros(4, IntegerLayout::gptq_v2), 0x88888888U);
}

TEST(IntegerLayouts, awq_interleaves_eight_outputs) {
  IntegerMatrix matrix = some_matrix({.bits = 4, .symmetric = false}, 16, 1);
  std::iota(matrix.codes.begin(), matrix.codes.end(), std::uint8_t{0});
  const auto stored = store_integers(IntegerLayout::awq, matrix);
  expect_shapes(IntegerLayout::awq, matrix, stored);
  EXPECT_EQ(word(stored[0], 0), 0x75316420U);
  EXPECT_EQ(word(stored[0], 1), 0xFDB9ECA8U);
}

TEST(IntegerLayouts, columns_may_be_of_any_group_in_gptq) {
  IntegerMatrix matrix = some_matrix({.bits = 4, .group_size = 16}, 32, 32);
  for (std::uint32_t c = 0; c < 32; ++c) matrix.column_groups.push_back(1 - c % 2);
  const auto stored = store_integers(IntegerLayout::gptq, matrix);
  EXPECT_EQ(word(stored[3], 0), 1U);
  EXPECT_EQ(word(stored[3], 1), 0U);
}

TEST(IntegerLayouts, sizes_that_do_not_fit_are_refused_with_what_does) {
  const auto refuse = [](IntegerLayout layout, const IntegerScheme& scheme, std::uint64_t rows,
                         std::uint64_t cols, const std::string& piece) {
    test::expect_error(ErrorKind::input_invalid, piece, [&] { integer_parts(layout, scheme, rows, cols); });
  };
  refuse(IntegerLayout::gptq, {}, 33, 64, "33 outputs");
  refuse(IntegerLayout::gptq, {}, 64, 40, "40 inputs");
  refuse(IntegerLayout::gptq, {.group_size = 128}, 64, 192, "groups of 128 do not divide a matrix with 192");
  refuse(IntegerLayout::awq, {}, 12, 64, "12 outputs");
  refuse(IntegerLayout::compressed, {.group_size = 64}, 12, 65, "groups of 64");
}

}  // namespace
}  // namespace qtz
