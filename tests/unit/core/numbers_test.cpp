// Checked arithmetic, shapes, element types and byte buffers: what all size computations rest on.
#include <gtest/gtest.h>

#include <array>
#include <set>

#include "qtz/core/bytes.h"
#include "qtz/core/checked.h"
#include "qtz/core/dtype.h"
#include "qtz/core/shape.h"
#include "qtz/core/text.h"

namespace qtz {
namespace {

constexpr std::uint64_t kMax = ~std::uint64_t{0};

TEST(Checked, GivesNothingInsteadOfAWrappedNumber) {
  EXPECT_EQ(checked_mul(1ull << 32, 1ull << 31), 1ull << 63);
  EXPECT_EQ(checked_mul(1ull << 32, 1ull << 32), std::nullopt);
  EXPECT_EQ(checked_mul(0, kMax), 0u);
  EXPECT_EQ(checked_add(kMax - 1, 1), kMax);
  EXPECT_EQ(checked_add(kMax, 1), std::nullopt);
  EXPECT_EQ(checked_align(0, 32), 0u);
  EXPECT_EQ(checked_align(1, 32), 32u);
  EXPECT_EQ(checked_align(64, 32), 64u);
  EXPECT_EQ(checked_align(5, 1), 5u);
  EXPECT_EQ(checked_align(kMax - 31, 32), kMax - 31);
  EXPECT_EQ(checked_align(kMax - 30, 32), std::nullopt);
}

TEST(Shape, KnowsRowsColumnsAndElements) {
  const Shape shape{2, 3, 256};
  EXPECT_EQ(shape.rank(), 3u);
  EXPECT_EQ(shape.elements(), 1536u);
  EXPECT_EQ(shape.rows(), 6u);
  EXPECT_EQ(shape.cols(), 256u);
  EXPECT_EQ(shape.to_string(), "[2, 3, 256]");
  EXPECT_NE(shape, (Shape{2, 3, 255}));
}

TEST(Shape, OfAScalarIsOneRowOfOne) {
  EXPECT_EQ(Shape().elements(), 1u);
  EXPECT_EQ(Shape().rows(), 1u);
  EXPECT_EQ(Shape().cols(), 1u);
  EXPECT_EQ(Shape().to_string(), "[]");
  EXPECT_EQ(Shape{7}.rows(), 1u);
}

TEST(Shape, WithAZeroHasNoElements) {
  EXPECT_EQ((Shape{0, 5}).elements(), 0u);
  EXPECT_EQ((Shape{0, 5}).rows(), 0u);
  EXPECT_EQ((Shape{5, 0}).rows(), 5u);
  EXPECT_EQ((Shape{5, 0}).cols(), 0u);
}

struct GgmlType {
  std::uint32_t id;
  const char* name;
  std::uint32_t block_elems;
  std::uint32_t block_bytes;
};

// ggml.h and ggml-common.h; the numbers left out were withdrawn or never published.
constexpr GgmlType kGgmlTypes[] = {
    {0, "F32", 1, 4},         {1, "F16", 1, 2},         {2, "Q4_0", 32, 18},      {3, "Q4_1", 32, 20},
    {6, "Q5_0", 32, 22},      {7, "Q5_1", 32, 24},      {8, "Q8_0", 32, 34},      {9, "Q8_1", 32, 36},
    {10, "Q2_K", 256, 84},    {11, "Q3_K", 256, 110},   {12, "Q4_K", 256, 144},   {13, "Q5_K", 256, 176},
    {14, "Q6_K", 256, 210},   {15, "Q8_K", 256, 292},   {16, "IQ2_XXS", 256, 66}, {17, "IQ2_XS", 256, 74},
    {18, "IQ3_XXS", 256, 98}, {19, "IQ1_S", 256, 50},   {20, "IQ4_NL", 32, 18},   {21, "IQ3_S", 256, 110},
    {22, "IQ2_S", 256, 82},   {23, "IQ4_XS", 256, 136}, {24, "I8", 1, 1},         {25, "I16", 1, 2},
    {26, "I32", 1, 4},        {27, "I64", 1, 8},        {28, "F64", 1, 8},        {29, "IQ1_M", 256, 56},
    {30, "BF16", 1, 2},       {34, "TQ1_0", 256, 54},   {35, "TQ2_0", 256, 66},   {39, "MXFP4", 32, 17},
    {40, "NVFP4", 64, 36},    {41, "Q1_0", 128, 18},    {42, "Q2_0", 64, 18},
};

TEST(DTypes, AreGgmlsWithItsNumbersAndSizes) {
  for (const GgmlType& expected : kGgmlTypes) {
    const auto type = dtype_from_gguf(expected.id);
    ASSERT_TRUE(type.has_value()) << expected.name;
    EXPECT_EQ(name_of(*type), expected.name);
    EXPECT_EQ(traits(*type).block_elems, expected.block_elems) << expected.name;
    EXPECT_EQ(traits(*type).block_bytes, expected.block_bytes) << expected.name;
  }
  for (const std::uint32_t withdrawn : {4u, 5u, 31u, 32u, 33u, 36u, 37u, 38u, 43u, 255u, 0xFFFFFFFFu}) {
    EXPECT_EQ(dtype_from_gguf(withdrawn), std::nullopt) << withdrawn;
  }
}

TEST(DTypes, AreInEnumerationOrderWithUniqueNamesAndNumbers) {
  std::set<std::string> names;
  std::set<std::int32_t> numbers;
  std::size_t index = 0;
  for (const DTypeTraits& type : all_dtypes()) {
    EXPECT_EQ(static_cast<std::size_t>(type.type), index++);
    EXPECT_TRUE(names.insert(ascii_lower(type.name)).second) << type.name;
    EXPECT_EQ(ascii_upper(type.name), type.name);
    EXPECT_TRUE(type.gguf_id < 0 || numbers.insert(type.gguf_id).second) << type.name;
    EXPECT_EQ(type.encodable, index <= kEncodableCount);
    EXPECT_GT(type.block_elems, 0u);
    EXPECT_GT(type.block_bytes, 0u);
    EXPECT_EQ(find_dtype(ascii_lower(type.name)), type.type);
  }
  EXPECT_EQ(index, kDTypeCount);
}

TEST(DTypes, FallBackToEverSmallerBlocks) {
  for (const DTypeTraits& type : all_dtypes()) {
    if (type.fallback == type.type) continue;
    EXPECT_LT(traits(type.fallback).block_elems, type.block_elems) << type.name;
    EXPECT_TRUE(traits(type.fallback).encodable) << type.name;
  }
}

TEST(DTypes, AreQuantizedWhenGgufStoresThemInBlocks) {
  EXPECT_TRUE(is_quantized(DType::q8_0));
  EXPECT_FALSE(is_quantized(DType::bf16));
  EXPECT_FALSE(is_quantized(DType::i32));
  EXPECT_FALSE(is_quantized(DType::f4)) << "two to a byte, but no block";
}

TEST(DTypes, AreFoundByTheNamesOfSafetensors) {
  EXPECT_EQ(dtype_from_safetensors("BF16"), DType::bf16);
  EXPECT_EQ(dtype_from_safetensors("F8_E4M3"), DType::f8_e4m3);
  EXPECT_EQ(dtype_from_safetensors("BOOL"), DType::boolean);
  EXPECT_EQ(dtype_from_safetensors("bf16"), std::nullopt);
  EXPECT_EQ(dtype_from_safetensors("Q4_0"), std::nullopt);
  EXPECT_EQ(dtype_from_safetensors(""), std::nullopt);
  EXPECT_EQ(find_dtype("nothing"), std::nullopt);
}

TEST(DTypes, KnowTheBytesOfARow) {
  EXPECT_EQ(row_bytes(DType::f32, 5), 20u);
  EXPECT_EQ(row_bytes(DType::q8_0, 64), 68u);
  EXPECT_EQ(row_bytes(DType::f4, 8), 4u);
  EXPECT_EQ(row_bytes(DType::q8_0, 0), 0u);
}

TEST(Bytes, AreWrittenAndReadLittleEndian) {
  ByteWriter out;
  out.put(std::uint32_t{0x01020304});
  out.put(std::string_view("ab"));
  out.put(std::string_view());
  out.put_zeros(2);
  out.put(1.0f);
  ASSERT_EQ(out.size(), 12u);
  EXPECT_EQ(out.bytes()[0], std::byte{4});
  EXPECT_EQ(out.bytes()[3], std::byte{1});
  EXPECT_EQ(out.bytes()[4], std::byte{'a'});
  EXPECT_EQ(out.bytes()[7], std::byte{0});
  EXPECT_EQ(load_le<float>(out.bytes().data() + 8), 1.0f);
  std::array<std::byte, 2> store{};
  store_le(store.data(), std::uint16_t{0xABCD});
  EXPECT_EQ(store, (std::array{std::byte{0xCD}, std::byte{0xAB}}));
  EXPECT_EQ(std::move(out).take().size(), 12u);
}

}  // namespace
}  // namespace qtz
