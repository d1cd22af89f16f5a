// FP16, BF16 and F64 of every backend against core/half.h and the compiler, exhaustively where that is
// possible.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "qtz/core/half.h"
#include "unit/kernels/golden_data.h"
#include "unit/kernels/random_rows.h"

namespace qtz::testing_kernels {
namespace {

class HalfKernel : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!backend().supported)
      GTEST_SKIP() << "backend " << backend().name << " is not supported by this machine";
  }
  const Backend& backend() const { return backend_named(GetParam()); }

  std::vector<float> decode_all_codes(DType type) const {
    std::vector<std::uint16_t> codes(65536);
    for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint16_t>(i);
    std::vector<float> values(codes.size());
    backend().decode(type, reinterpret_cast<const std::byte*>(codes.data()), values.data(), values.size());
    return values;
  }
  std::vector<std::uint16_t> encode(DType type, const std::vector<float>& x) const {
    std::vector<std::uint16_t> codes(x.size());
    backend().encode(type, x.data(), nullptr, 1, x.size(), reinterpret_cast<std::byte*>(codes.data()));
    return codes;
  }
};

/// Every float whose neighbourhood decides a rounding: each code's value, the middle to the next code, and
/// the floats beside both; the same negative; the special ones; and many at random, NaN with all payloads
/// among them.
std::vector<float> hard_to_round(float (*value_of)(std::uint16_t)) {
  std::vector<float> out;
  for (std::uint32_t code = 0; code < 0x7F80; ++code) {
    const float low = value_of(static_cast<std::uint16_t>(code));
    const float high = value_of(static_cast<std::uint16_t>(code + 1));
    if (!std::isfinite(low) || !std::isfinite(high)) continue;
    const float middle = low + (high - low) / 2;
    for (const float center : {low, middle}) {
      const auto bits = std::bit_cast<std::uint32_t>(center);
      for (std::uint32_t offset = 0; offset < 3; ++offset) {
        const float near = std::bit_cast<float>(bits + offset - (bits == 0 ? 0 : 1));
        out.push_back(near);
        out.push_back(-near);
      }
    }
  }
  for (const float special :
       {65519.996f, 65520.0f, 65536.0f, 1e38f, std::numeric_limits<float>::max(),
        std::numeric_limits<float>::infinity(), 0x1p-149f, 0x1p-126f, 0x1p-25f, 0x1.8p-25f}) {
    out.push_back(special);
    out.push_back(-special);
  }
  for (std::uint32_t payload = 1; payload < 0x800000; payload += 0x1FFF) {
    out.push_back(std::bit_cast<float>(0x7F800000u | payload));
    out.push_back(std::bit_cast<float>(0xFF800000u | payload));
  }
  const auto random = random_values(Temper::any_bits, 200000, 3);
  out.insert(out.end(), random.begin(), random.end());
  return out;
}

TEST_P(HalfKernel, DecodesAllFp16Codes) {
  const auto values = decode_all_codes(DType::f16);
  for (std::uint32_t code = 0; code < 65536; ++code) {
    ASSERT_EQ(std::bit_cast<std::uint32_t>(values[code]),
              std::bit_cast<std::uint32_t>(f16_to_f32(static_cast<std::uint16_t>(code))))
        << "code " << code;
  }
}

TEST_P(HalfKernel, DecodesAllBf16Codes) {
  const auto values = decode_all_codes(DType::bf16);
  for (std::uint32_t code = 0; code < 65536; ++code) {
    ASSERT_EQ(std::bit_cast<std::uint32_t>(values[code]), code << 16) << "code " << code;
  }
}

TEST_P(HalfKernel, RoundsToFp16AsCoreDoes) {
  const auto x = hard_to_round(&f16_to_f32);
  const auto codes = encode(DType::f16, x);
  for (std::size_t i = 0; i < x.size(); ++i) ASSERT_EQ(codes[i], f32_to_f16(x[i])) << x[i];
}

TEST_P(HalfKernel, RoundsToBf16AsCoreDoes) {
  const auto x = hard_to_round(&bf16_to_f32);
  const auto codes = encode(DType::bf16, x);
  for (std::size_t i = 0; i < x.size(); ++i) ASSERT_EQ(codes[i], f32_to_bf16(x[i])) << x[i];
}

TEST_P(HalfKernel, NarrowsF64ToNearest) {
  const std::vector<double> stored = {0.0,   -0.0,  1.0,    0.1,     1.0 + 0x1p-24, 1.0 + 0x1.8p-24,
                                      1e-46, 1e300, -1e300, 0x1p-149};
  std::vector<float> values(stored.size());
  backend().decode(DType::f64, reinterpret_cast<const std::byte*>(stored.data()), values.data(),
                   values.size());
  for (std::size_t i = 0; i < stored.size(); ++i) {
    EXPECT_EQ(std::bit_cast<std::uint32_t>(values[i]),
              std::bit_cast<std::uint32_t>(static_cast<float>(stored[i])))
        << stored[i];
  }
}

INSTANTIATE_TEST_SUITE_P(AllBackends, HalfKernel, testing::ValuesIn(backend_names()), only_backend);

}  // namespace
}  // namespace qtz::testing_kernels
