#include "pipeline/extremes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "qtz/core/bytes.h"
#include "qtz/core/half.h"

namespace qtz {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<std::byte> stored_as(DType type, const std::vector<float>& values) {
  std::vector<std::byte> bytes(values.size() * traits(type).block_bytes);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (type == DType::f32) store_le(bytes.data() + 4 * i, values[i]);
    if (type == DType::f16) store_le(bytes.data() + 2 * i, f32_to_f16(values[i]));
    if (type == DType::bf16) store_le(bytes.data() + 2 * i, f32_to_bf16(values[i]));
  }
  return bytes;
}

TEST(Extremes, AreSeenAtEveryPositionOfEveryPlainType) {
  for (const DType type : {DType::f32, DType::f16, DType::bf16}) {
    for (const std::size_t size : {1u, 7u, 64u, 5000u}) {
      std::vector<float> values(size, -1000.0f);
      EXPECT_FALSE(may_hold_extremes(type, stored_as(type, values)));
      for (std::size_t at = 0; at<size; at += size> 100 ? 617 : 1) {
        for (const float extreme : {16384.0f, -16384.0f, kInfinity, -kInfinity, std::nanf("")}) {
          values[at] = extreme;
          EXPECT_TRUE(may_hold_extremes(type, stored_as(type, values)))
              << name_of(type) << " " << extreme << " " << at;
        }
        values[at] = -16320.0f;  // the largest below 2^14 that all three types hold
        EXPECT_FALSE(may_hold_extremes(type, stored_as(type, values)));
      }
    }
  }
}

TEST(Extremes, OfOtherTypesAreNotJudgedByBits) {
  EXPECT_TRUE(may_hold_extremes(DType::q8_0, std::vector<std::byte>(34)));
}

TEST(Nonfinite, ValuesAreCountedByKind) {
  const std::vector<float> values = {0, kInfinity, std::nanf(""), -kInfinity, 1};
  const NonfiniteCount count = count_nonfinite(values);
  EXPECT_EQ(count.nans, 1u);
  EXPECT_EQ(count.infinities, 2u);
  EXPECT_EQ(count.to_string(), "1 NaN and 2 infinite values");
  EXPECT_EQ((NonfiniteCount{1, 0}).to_string(), "1 NaN value");
  EXPECT_EQ((NonfiniteCount{0, 3}).to_string(), "3 infinite values");
}

TEST(Survival, IsJudgedByFiniteNumbersAndByError) {
  const Backend& backend = select_backend("scalar");
  std::vector<float> values(512, 2.0f);
  std::vector<std::byte> bytes(16 * 34);
  backend.encode(DType::q8_0, values.data(), nullptr, 1, 512, bytes.data());
  EXPECT_TRUE(survived_encoding(DType::q8_0, bytes, values, backend));
  std::vector<std::byte> zeros = bytes;
  std::fill(zeros.begin() + 8 * 34, zeros.end(), std::byte{0});
  EXPECT_FALSE(survived_encoding(DType::q8_0, zeros, values, backend)) << "the second half became zero";
  store_le(bytes.data() + 34 * 3, std::uint16_t{0x7C00});
  EXPECT_FALSE(survived_encoding(DType::q8_0, bytes, values, backend)) << "an infinite scale";
}

TEST(Nonfinite, PositionsHaveOneNumberPerDimension) {
  EXPECT_EQ(position_text(Shape{20, 4096}, 12 * 4096 + 4031), "[12, 4031]");
  EXPECT_EQ(position_text(Shape{3, 5, 7}, 2 * 35 + 4 * 7 + 6), "[2, 4, 6]");
  EXPECT_EQ(position_text(Shape{9}, 8), "[8]");
}

}  // namespace
}  // namespace qtz
