// The lane operations themselves, where a mistake would hide in a corner of a type: the scalar lane and the
// baseline SIMD lane. The wider lanes cannot be compiled here; their types are compared with the reference
// encoders.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "quants/half_lane.h"
#include "quants/lane.h"
#include "quants/q8_0.h"
#if defined(__SSE2__)
#include "quants/lane_simd.h"
#endif

namespace qtz::quants {
namespace {

template <class L>
class Lane : public testing::Test {
 protected:
  static float first(typename L::F v) {
    float out[L::width];
    L::store(out, v);
    return out[0];
  }
  static std::int32_t first_int(typename L::I v) {
    std::byte out[4 * L::width];
    L::store_i32(out, v);
    std::int32_t value;
    std::memcpy(&value, out, sizeof value);
    return value;
  }
  static std::uint32_t bits_of(typename L::F v) { return std::bit_cast<std::uint32_t>(first(v)); }
};

#if defined(__SSE2__)
using Lanes = testing::Types<ScalarLane, SimdLane<xsimd::sse2>>;
#else
using Lanes = testing::Types<ScalarLane>;
#endif
TYPED_TEST_SUITE(Lane, Lanes);

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

TYPED_TEST(Lane, MinAndMaxTakeTheSecondOperandOfEqualZerosAndNan) {
  using L = TypeParam;
  using F = typename L::F;
  EXPECT_EQ(this->bits_of(L::min(F(-0.0f), F(0.0f))), 0u);
  EXPECT_EQ(this->bits_of(L::max(F(0.0f), F(-0.0f))), 0x80000000u);
  EXPECT_EQ(this->first(L::min(F(kNan), F(3.0f))), 3.0f);
  EXPECT_EQ(this->first(L::max(F(kNan), F(3.0f))), 3.0f);
  EXPECT_TRUE(std::isnan(this->first(L::max(F(3.0f), F(kNan)))));
}

TYPED_TEST(Lane, ComparisonsWithNanAreFalseExceptNotEqual) {
  using L = TypeParam;
  using F = typename L::F;
  EXPECT_FALSE(L::any(L::lt(F(kNan), F(1.0f))));
  EXPECT_FALSE(L::any(L::le(F(1.0f), F(kNan))));
  EXPECT_FALSE(L::any(L::gt(F(kNan), F(1.0f))));
  EXPECT_FALSE(L::any(L::ge(F(1.0f), F(kNan))));
  EXPECT_FALSE(L::any(L::eq(F(kNan), F(kNan))));
  EXPECT_TRUE(L::all(L::ne(F(kNan), F(kNan))));
}

TYPED_TEST(Lane, StepGoesToTheNextNumberWhereItShould) {
  using L = TypeParam;
  using F = typename L::F;
  using I = typename L::I;
  EXPECT_EQ(this->first_int(L::step(L::gt(F(2.0f), F(1.0f)), I(5), I(4))), 5);
  EXPECT_EQ(this->first_int(L::step(L::gt(F(1.0f), F(2.0f)), I(9), I(4))), 4);
  EXPECT_EQ(this->first_int(L::step(L::gt(F(kNan), F(2.0f)), I(9), I(4))), 4);
}

TYPED_TEST(Lane, LookupTakesTheLowestBitsOfTheIndex) {
  using L = TypeParam;
  using F = typename L::F;
  using I = typename L::I;
  constexpr float kNumbers[8] = {0, 10, 20, 30, 40, 50, 60, 70};
  F four[4], eight[8];  // more than any of these lanes needs
  for (std::size_t i = 0; i < 4; ++i) four[i] = L::load(kNumbers + i * L::width % 4);
  for (std::size_t i = 0; i < 8; ++i) eight[i] = L::load(kNumbers + i * L::width % 8);
  for (int index = 0; index < 40; ++index) {
    EXPECT_EQ(this->first(L::template lookup<4>(four, I(index))), 10.0f * static_cast<float>(index % 4));
    EXPECT_EQ(this->first(L::template lookup<8>(eight, I(index))), 10.0f * static_cast<float>(index % 8));
  }
}

TYPED_TEST(Lane, SmallestAndFirstTrueLookAtAllLanes) {
  using L = TypeParam;
  for (std::size_t lane = 0; lane < L::width; ++lane) {
    float numbers[L::width];
    std::int32_t whole[L::width];
    for (std::size_t i = 0; i < L::width; ++i) {
      numbers[i] = i == lane ? -2.5f : static_cast<float>(i);
      whole[i] = i == lane ? -7 : static_cast<std::int32_t>(i);
    }
    const auto v = L::load(numbers);
    EXPECT_EQ(L::smallest(v), -2.5f);
    EXPECT_EQ(L::smallest(L::load_i32(reinterpret_cast<const std::byte*>(whole))), -7);
    EXPECT_EQ(L::first_true(L::lt(v, typename L::F(0.0f))), lane);
  }
  EXPECT_EQ(L::first_true(L::lt(typename L::F(1.0f), typename L::F(2.0f))), 0u);
}

TYPED_TEST(Lane, NegateAndAbsKeepZerosAndInfinities) {
  using L = TypeParam;
  using F = typename L::F;
  EXPECT_EQ(this->bits_of(L::negate(F(0.0f))), 0x80000000u);
  EXPECT_EQ(this->bits_of(L::negate(F(-0.0f))), 0u);
  EXPECT_EQ(this->bits_of(L::abs(F(-0.0f))), 0u);
  EXPECT_EQ(this->first(L::negate(F(kInfinity))), -kInfinity);
}

TYPED_TEST(Lane, RoundsTiesToEven) {
  using L = TypeParam;
  using F = typename L::F;
  for (const float value :
       {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 0.49999997f, 127.5f, -3.7f, 4194303.0f, -4194303.0f}) {
    EXPECT_EQ(this->first_int(L::round_to_int(F(value))), static_cast<int>(std::nearbyint(value))) << value;
    EXPECT_EQ(this->first(L::round_to_float(F(value))), std::nearbyint(value)) << value;
  }
}

TYPED_TEST(Lane, RoundingBeyondItsRangeIsGgmls) {
  using L = TypeParam;
  using F = typename L::F;
  EXPECT_EQ(this->first_int(L::round_to_int(F(kInfinity))), -0x400000);
  EXPECT_EQ(this->first_int(L::round_to_int(F(kNan))), 0);
}

TYPED_TEST(Lane, TruncatesTowardZeroAndMarksWhatDoesNotFit) {
  using L = TypeParam;
  using F = typename L::F;
  EXPECT_EQ(this->first_int(L::trunc_to_int(F(-2.9f))), -2);
  EXPECT_EQ(this->first_int(L::trunc_to_int(F(2.9f))), 2);
  for (const float value : {kNan, kInfinity, -kInfinity, 3e9f, -3e9f}) {
    EXPECT_EQ(this->first_int(L::trunc_to_int(F(value))), INT32_MIN) << value;
  }
}

TYPED_TEST(Lane, ShiftsFillAsTheirNamesSay) {
  using L = TypeParam;
  using I = typename L::I;
  EXPECT_EQ(this->first_int(L::shr(I(INT32_MIN), 31)), 1);
  EXPECT_EQ(this->first_int(L::sar(I(INT32_MIN), 31)), -1);
  EXPECT_EQ(this->first_int(L::shl(I(-1), 31)), INT32_MIN);
}

TYPED_TEST(Lane, LoadsAndStoresSmallIntegers) {
  using L = TypeParam;
  using I = typename L::I;
  std::byte bytes[32];
  for (std::size_t i = 0; i < sizeof bytes; ++i) bytes[i] = static_cast<std::byte>(0xF9 + i);
  std::byte wide[4 * L::width];
  const auto lane = [&](std::size_t k) {
    std::int32_t value;
    std::memcpy(&value, wide + 4 * k, sizeof value);
    return value;
  };
  for (std::size_t k = 0; k < L::width; ++k) {
    L::store_i32(wide, L::load_u8(bytes));
    EXPECT_EQ(lane(k), std::to_integer<std::uint8_t>(bytes[k]));
    L::store_i32(wide, L::load_i8(bytes));
    EXPECT_EQ(lane(k), std::to_integer<std::int8_t>(bytes[k]));
    L::store_i32(wide, L::load_u16(bytes));
    EXPECT_EQ(lane(k), std::to_integer<int>(bytes[2 * k]) | std::to_integer<int>(bytes[2 * k + 1]) << 8);
  }
  for (const std::int32_t value : {0, 1, 0x7FFF, 0x8000, 0xFFFF, -2, 0x12345}) {
    std::byte narrow[2 * L::width];
    L::store_u16(narrow, I(value));
    std::uint16_t stored;
    std::memcpy(&stored, narrow + 2 * (L::width - 1), sizeof stored);
    EXPECT_EQ(stored, static_cast<std::uint16_t>(value));
  }
}

TYPED_TEST(Lane, PacksFourValuesIntoBytesAndClampsThem) {
  using L = TypeParam;
  using I = typename L::I;
  EXPECT_EQ(this->first_int(L::pack_u8(I(1), I(2), I(3), I(4))), 0x04030201);
  EXPECT_EQ(this->first_int(L::pack_u8(I(255), I(256), I(-1), I(INT32_MIN))), 0x0000FFFF);
  EXPECT_EQ(this->first_int(L::pack_u8(I(70000), I(0), I(INT32_MAX), I(0))), 0x00FF00FF);
  EXPECT_EQ(this->first_int(L::min_u8(I(0x7F01FF80), I(0x7E028001))), 0x7E018001);
  EXPECT_EQ(this->first_int(L::pack_i8(I(-1), I(-128), I(127), I(0))), 0x007F80FF);
  EXPECT_EQ(this->first_int(L::pack_i8(I(-129), I(128), I(INT32_MIN), I(-70000))),
            static_cast<std::int32_t>(0x80807F80));
  // Lanes stay apart.
  std::byte in[4 * L::width], out[4 * L::width];
  for (std::size_t k = 0; k < L::width; ++k) {
    const auto value = static_cast<std::int32_t>(10 * k);
    std::memcpy(in + 4 * k, &value, sizeof value);
  }
  const I lanes = L::load_i32(in);
  L::store_i32(out, L::pack_u8(lanes, lanes + I(1), lanes + I(2), lanes + I(3)));
  for (std::size_t k = 0; k < L::width; ++k) {
    for (std::size_t b = 0; b < 4; ++b) EXPECT_EQ(std::to_integer<std::size_t>(out[4 * k + b]), 10 * k + b);
  }
}

TYPED_TEST(Lane, TransposesBothWays) {
  using L = TypeParam;
  float memory[L::width][L::width];
  const float* rows[L::width];
  for (std::size_t r = 0; r < L::width; ++r) {
    rows[r] = memory[r];
    for (std::size_t c = 0; c < L::width; ++c) memory[r][c] = static_cast<float>(10 * r + c);
  }
  typename L::F columns[L::width];
  L::load_transposed(rows, columns);
  typename L::I words[L::width];
  for (std::size_t c = 0; c < L::width; ++c) {
    float column[L::width];
    L::store(column, columns[c]);
    for (std::size_t r = 0; r < L::width; ++r) EXPECT_EQ(column[r], memory[r][c]);
    words[c] = L::trunc_to_int(columns[c]);
  }
  std::byte back[L::width][4 * L::width];
  std::byte* back_rows[L::width];
  for (std::size_t r = 0; r < L::width; ++r) back_rows[r] = back[r];
  L::store_transposed(words, back_rows);
  for (std::size_t r = 0; r < L::width; ++r) {
    for (std::size_t c = 0; c < L::width; ++c) {
      std::int32_t value;
      std::memcpy(&value, &back[r][4 * c], sizeof value);
      EXPECT_EQ(value, static_cast<int>(memory[r][c]));
    }
  }
}

TYPED_TEST(Lane, RoundsHalvesAwayFromZeroAsRoundfDoes) {
  using L = TypeParam;
  for (int whole = 0; whole <= 128; ++whole) {
    const auto middle = std::bit_cast<std::uint32_t>(static_cast<float>(whole) + 0.5f);
    for (std::uint32_t bits = middle - 4; bits <= middle + 4; ++bits) {
      for (const float value : {std::bit_cast<float>(bits), -std::bit_cast<float>(bits)}) {
        EXPECT_EQ(this->first_int(q8_0::round_away<L>(typename L::F(value))),
                  static_cast<int>(std::round(value)))
            << value;
      }
    }
  }
}

}  // namespace
}  // namespace qtz::quants
