// The corners of MXFP4 and NVFP4 that rows of weights hardly reach: the logarithm of numbers just below
// powers of two, all scales, all middles of levels, and weights far beyond the largest scale.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "quants/lane.h"
#include "quants/mxfp4.h"
#include "quants/nvfp4.h"
#include "reference/fp4_ref.h"
#include "reference/mxfp4_ref.h"
#include "reference/reference_list.h"
#include "unit/kernels/golden_data.h"

namespace qtz::testing_kernels {
namespace {

using Lane = quants::ScalarLane;

/// Calls check(x) for the positive floats up to `reach` steps from every power of two, and for others.
template <class Check>
void around_powers_of_two(std::uint32_t reach, const Check& check) {
  for (int n = -149; n <= 128; ++n) {
    const std::uint32_t power = n == 128 ? 0x7F800000u : std::bit_cast<std::uint32_t>(std::ldexp(1.0f, n));
    for (std::uint32_t step = 0; step < reach; ++step) {
      if (step < power) check(std::bit_cast<float>(power - step));
      if (n < 128) check(std::bit_cast<float>(power + step));
    }
  }
  for (std::uint32_t bits = 1; bits < 0x7F800000u; bits += 104729) check(std::bit_cast<float>(bits));
}

TEST(Mxfp4Exponent, IsTheReferencesAroundEveryPowerOfTwo) {
  around_powers_of_two(2000, [](float x) {
    if (!std::isfinite(x)) return;
    ASSERT_EQ(quants::mxfp4::floor_of_log2<Lane>(x), reference::rounded_exponent(x)) << x;
  });
}

TEST(Mxfp4Exponent, IsThatOfTheGnuLibrarysLogarithm) {
#if defined(__GLIBC__)
  around_powers_of_two(2000, [](float x) {
    if (!std::isfinite(x)) return;
    const auto expected = static_cast<int>(std::floor(std::log2(x)));
    ASSERT_EQ(quants::mxfp4::floor_of_log2<Lane>(x), expected) << x;
  });
#else
  GTEST_SKIP() << "another C library: its log2f may round otherwise";
#endif
}

TEST(Mxfp4Exponent, RoundsUpOnlyJustBelowAPowerOfTwo) {
  // 44 floats below 2^100, 22 below 2^-40, none below 1 or 2, and half as many for the first subnormals.
  const std::pair<int, std::uint32_t> counts[] = {{128, 44}, {100, 44}, {64, 22},   {17, 11},   {9, 5},
                                                  {2, 0},    {1, 0},    {0, 0},     {-1, 0},    {-2, 1},
                                                  {-40, 22}, {-64, 44}, {-125, 44}, {-126, 22}, {-128, 11}};
  for (const auto& [n, count] : counts) {
    const std::uint32_t power = n == 128 ? 0x7F800000u : std::bit_cast<std::uint32_t>(std::ldexp(1.0f, n));
    EXPECT_EQ(quants::mxfp4::floor_of_log2<Lane>(std::bit_cast<float>(power - count)), n);
    EXPECT_EQ(quants::mxfp4::floor_of_log2<Lane>(std::bit_cast<float>(power - count - 1)), n - 1) << n;
  }
}

TEST(Fp4Levels, AreChosenByMiddlesExactlyAsByComparingErrors) {
  const auto expect_same = [](float x, float d) {
    const auto middles = quants::fp4_middles<Lane>(d);
    ASSERT_EQ(quants::fp4_index<Lane>(x, middles), reference::nearest_fp4(x, d)) << x << " by " << d;
  };
  std::vector<float> scales;
  for (int e = 0; e < 254; ++e) scales.push_back(quants::mxfp4::half_scale<Lane>(e));
  for (int code = 1; code < 0x7F; ++code) scales.push_back(quants::nvfp4::half_scale<Lane>(code));
  for (const float d : scales) {
    for (const float around : {0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 2.5f, 3.0f, 3.5f, 4.0f, 5.0f, 6.0f, 7.0f, 8.0f,
                               10.0f, 12.0f, 15.9f, 1000.0f, 4.0e6f}) {
      if (!std::isfinite(around * d)) continue;
      const std::uint32_t bits = std::bit_cast<std::uint32_t>(around * d);
      for (std::uint32_t step = 0; step < 40; ++step) {
        for (const std::uint32_t near : {bits + step, bits > step ? bits - step : 0u}) {
          if (near >= 0x7F800000u) continue;
          expect_same(std::bit_cast<float>(near), d);
          expect_same(-std::bit_cast<float>(near), d);
        }
      }
    }
  }
  EXPECT_EQ(quants::fp4_index<Lane>(std::numeric_limits<float>::max(), quants::fp4_middles<Lane>(0x1p125f)),
            5)
      << "8 and 12 times 2^125 are beyond FP32";
}

void expect_reference_bytes(DType type, const std::vector<float>& x, const std::string& what) {
  std::vector<std::byte> want(row_bytes(type, x.size())), got(want.size());
  reference::codec(type).encode(x.data(), nullptr, 1, x.size(), want.data());
  for (const Backend& backend : list_backends()) {
    if (!backend.supported) continue;
    backend.encode(type, x.data(), nullptr, 1, x.size(), got.data());
    EXPECT_TRUE(got == want) << name_of(type) << " on " << backend.name << ": " << what;
  }
}

TEST(Fp4Blocks, OfEveryMagnitudeAreTheReferences) {
  std::mt19937 engine(3);
  const auto uniform = [&] { return static_cast<float>(engine() >> 8) * 0x1p-23f - 1.0f; };
  for (int n = -148; n <= 128; ++n) {
    std::vector<float> x(64 * 41);
    for (float& value : x) value = std::ldexp(uniform(), n);
    // Blocks whose largest weight is a few floats from the power of two.
    for (std::size_t block = 0; block < x.size() / 32; ++block) {
      const std::uint32_t power = n == 128 ? 0x7F800000u : std::bit_cast<std::uint32_t>(std::ldexp(1.0f, n));
      const std::uint32_t below = static_cast<std::uint32_t>(block) + (n == 128 ? 1 : 0);
      if (below < power) x[32 * block + block % 32] = std::bit_cast<float>(power - below);
    }
    expect_reference_bytes(DType::mxfp4, x, "around 2^" + std::to_string(n));
    expect_reference_bytes(DType::nvfp4, x, "around 2^" + std::to_string(n));
  }
}

TEST(Nvfp4Scales, AreTheReferencesForAllSizes) {
  // A block of one weight tells the scale: every sixth of a code, its neighbours, and what lies between.
  std::vector<float> x;
  const auto add = [&](float largest) {
    x.insert(x.end(), 16, 0.0f);
    x.back() = largest;
  };
  for (int code = 0; code < 0x7F; ++code) {
    const float scale = 2 * quants::nvfp4::half_scale<Lane>(code);
    const float next = 2 * quants::nvfp4::half_scale<Lane>(code + 1);
    for (const float at : {6 * scale, 3 * (scale + next), 6 * scale + 1.5f * (next - scale)}) {
      for (int step = -3; step <= 3; ++step) {
        const auto bits = static_cast<std::int32_t>(std::bit_cast<std::uint32_t>(at)) + step;
        if (bits >= 0) add(std::bit_cast<float>(bits));
      }
    }
  }
  for (const float huge : {1535.9f, 1536.0f, 2688.0f, 1e6f, 1048577.0f, 1e9f, 1e10f, 1e38f}) add(huge);
  while (x.size() % 64 != 0) add(1.0f);
  expect_reference_bytes(DType::nvfp4, x, "scales");
}

}  // namespace
}  // namespace qtz::testing_kernels
