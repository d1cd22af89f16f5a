#include "qtz/core/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace qtz {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::uint32_t bits_of(float value) {
  return std::bit_cast<std::uint32_t>(value);
}
float float_of(std::uint32_t bits) {
  return std::bit_cast<float>(bits);
}

/// The value of a half by its definition, in double.
double value_of_half(std::uint16_t code) {
  const int exponent = (code >> 10) & 31;
  const int mantissa = code & 1023;
  const double magnitude =
      exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return (code & 0x8000) != 0 ? -magnitude : magnitude;
}

TEST(Half, AllCodesHaveTheValueOfTheirDefinition) {
  for (std::uint32_t code = 0; code < 65536; ++code) {
    const auto half = static_cast<std::uint16_t>(code);
    const float value = f16_to_f32(half);
    ASSERT_EQ(std::signbit(value), (code & 0x8000) != 0) << code;
    if ((code & 0x7C00) != 0x7C00) {
      ASSERT_EQ(static_cast<double>(value), value_of_half(half)) << code;
    } else if ((code & 0x3FF) == 0) {
      ASSERT_TRUE(std::isinf(value)) << code;
    } else {
      ASSERT_TRUE(std::isnan(value)) << code;
    }
  }
}

TEST(Half, AllCodesSurviveTheRoundTrip) {
  for (std::uint32_t code = 0; code < 65536; ++code) {
    const auto half = static_cast<std::uint16_t>(code);
    const std::uint16_t back = f32_to_f16(f16_to_f32(half));
    const bool nan = (code & 0x7C00) == 0x7C00 && (code & 0x3FF) != 0;
    if (nan) {
      ASSERT_EQ(back & 0x7E00, 0x7E00) << "quiet NaN for code " << code;
      ASSERT_EQ(back & 0x8000, static_cast<int>(code & 0x8000));
    } else {
      ASSERT_EQ(back, half);
    }
  }
}

// Between each two neighbours: the middle goes to the even one, everything else to the nearer one.
TEST(Half, RoundsToTheNearestAndTiesToEvenEverywhere) {
  for (std::uint16_t low = 0; low < 0x7BFF; ++low) {
    const auto high = static_cast<std::uint16_t>(low + 1);
    const auto middle = static_cast<float>((value_of_half(low) + value_of_half(high)) / 2);  // exact in f32
    const std::uint16_t even = (low & 1) == 0 ? low : high;
    ASSERT_EQ(f32_to_f16(middle), even) << low;
    ASSERT_EQ(f32_to_f16(-middle), even | 0x8000) << low;
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, 0.0f)), low);
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, kInfinity)), high);
  }
}

TEST(Half, RoundsToInfinityFromHalfAStepAboveTheLargest) {
  EXPECT_EQ(f32_to_f16(65504.0f), 0x7BFF);
  EXPECT_EQ(f32_to_f16(std::nextafter(65520.0f, 0.0f)), 0x7BFF);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7C00);
  EXPECT_EQ(f32_to_f16(3e38f), 0x7C00);
  EXPECT_EQ(f32_to_f16(-kInfinity), 0xFC00);
  EXPECT_EQ(f32_to_f16(float_of(0x7F800001)), 0x7E00) << "a signalling NaN becomes quiet";
  EXPECT_EQ(f32_to_f16(float_of(0xFFC12345)), 0xFE00);
  EXPECT_EQ(f32_to_f16(std::numeric_limits<float>::denorm_min()), 0x0000);
  EXPECT_EQ(f32_to_f16(-0.0f), 0x8000);
}

TEST(Bfloat, AllCodesAreTheUpperHalfOfAFloat) {
  for (std::uint32_t code = 0; code < 65536; ++code) {
    const auto half = static_cast<std::uint16_t>(code);
    ASSERT_EQ(bits_of(bf16_to_f32(half)), code << 16);
    const bool nan = (code & 0x7F80) == 0x7F80 && (code & 0x7F) != 0;
    ASSERT_EQ(f32_to_bf16(bf16_to_f32(half)), nan ? code | 0x40 : code);
  }
}

TEST(Bfloat, RoundsToTheNearestAndTiesToEvenEverywhere) {
  for (std::uint32_t low = 0; low < 0x7F80; ++low) {
    const std::uint32_t even = (low & 1) == 0 ? low : low + 1;
    ASSERT_EQ(f32_to_bf16(float_of((low << 16) | 0x7FFF)), low);
    ASSERT_EQ(f32_to_bf16(float_of((low << 16) | 0x8000)), even);
    ASSERT_EQ(f32_to_bf16(float_of((low << 16) | 0x8001)), low + 1);
    ASSERT_EQ(f32_to_bf16(float_of(0x80000000 | (low << 16) | 0x8000)), even | 0x8000);
  }
  EXPECT_EQ(f32_to_bf16(std::numeric_limits<float>::max()), 0x7F80);
  EXPECT_EQ(f32_to_bf16(float_of(0x7F800001)), 0x7FC0) << "a NaN stays a NaN when its low bits go";
  EXPECT_EQ(f32_to_bf16(float_of(0xFFFFFFFF)), 0xFFFF);
}

}  // namespace
}  // namespace qtz
