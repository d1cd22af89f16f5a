#include "qtz/kernels/codes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>
#include <vector>

#include "qtz/kernels/backend.h"

namespace qtz {
namespace {

std::vector<DType> types_with_codes() {
  std::vector<DType> types;
  for (const DTypeTraits& type : all_dtypes()) {
    if (has_codes(type.type)) types.push_back(type.type);
  }
  return types;
}

/// Every code of the type, and what it is worth, in one block of one scale.
TEST(Codes, AreThoseOfEveryQuantizedTypeThatIsWritten) {
  EXPECT_FALSE(has_codes(DType::f32));
  EXPECT_FALSE(has_codes(DType::bf16));
  EXPECT_EQ(types_with_codes(),
            (std::vector<DType>{DType::q4_0,    DType::q4_1,   DType::q5_0,  DType::q5_1,    DType::q8_0,
                                DType::q2_k,    DType::q3_k,   DType::q4_k,  DType::q5_k,    DType::q6_k,
                                DType::iq4_nl,  DType::iq4_xs, DType::tq1_0, DType::tq2_0,   DType::mxfp4,
                                DType::nvfp4,   DType::q1_0,   DType::q2_0,  DType::iq3_xxs, DType::iq3_s,
                                DType::iq2_xxs, DType::iq2_xs, DType::iq2_s, DType::iq1_s,   DType::iq1_m}));
}

TEST(Codes, GrowWithTheValuesOfAPiece) {
  const Backend& scalar = select_backend("scalar");
  const std::map<DType, std::pair<int, int>> ranges = {
      {DType::q4_0, {-8, 7}},      {DType::q4_1, {0, 15}},     {DType::q5_0, {-16, 15}},
      {DType::q5_1, {0, 31}},      {DType::q8_0, {-127, 127}}, {DType::q2_k, {0, 3}},
      {DType::q3_k, {-4, 3}},      {DType::q4_k, {0, 15}},     {DType::q5_k, {0, 31}},
      {DType::q6_k, {-32, 31}},    {DType::iq4_nl, {0, 15}},   {DType::iq4_xs, {0, 15}},
      {DType::tq1_0, {-1, 1}},     {DType::tq2_0, {-1, 1}},    {DType::mxfp4, {0, 15}},
      {DType::nvfp4, {0, 15}},     {DType::q1_0, {-1, 1}},     {DType::q2_0, {-1, 1}},
      {DType::iq3_xxs, {-62, 62}}, {DType::iq3_s, {-15, 15}},  {DType::iq2_xxs, {-43, 43}},
      {DType::iq2_xs, {-43, 43}},  {DType::iq2_s, {-43, 43}},  {DType::iq1_s, {-9, 9}},
      {DType::iq1_m, {-9, 9}}};
  for (const DType type : types_with_codes()) {
    SCOPED_TRACE(name_of(type));
    std::vector<float> values(256);
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = std::sin(static_cast<float>(i) * 1.7f) * (i == 3 ? 1.5f : 1.0f);
    std::vector<std::byte> bytes(row_bytes(type, values.size()));
    scalar.encode(type, values.data(), nullptr, 1, values.size(), bytes.data());
    std::vector<float> decoded(values.size()), codes(values.size());
    scalar.decode(type, bytes.data(), decoded.data(), decoded.size());
    read_codes(type, bytes.data(), codes.data(), codes.size());

    std::set<float> seen(codes.begin(), codes.end());
    EXPECT_GE(*seen.begin(), static_cast<float>(ranges.at(type).first));
    EXPECT_LE(*seen.rbegin(), static_cast<float>(ranges.at(type).second));
    // Two or three codes have one sign or the other, the others at least four.
    const std::size_t fewest = type == DType::q1_0 ? 2 : ranges.at(type).second == 1 ? 3 : 4;
    EXPECT_GE(seen.size(), fewest);
    // Sub-blocks of 16 have one scale and one offset, so within them value and code go together.
    for (std::size_t first = 0; first < values.size(); first += 16) {
      std::map<float, float> value_of;
      for (std::size_t i = first; i < first + 16; ++i) {
        const auto [at, is_new] = value_of.emplace(codes[i], decoded[i]);
        EXPECT_EQ(at->second, decoded[i]) << i;
      }
      std::set<float> distinct;
      for (const auto& [code, value] : value_of) distinct.insert(value);
      EXPECT_EQ(distinct.size(), value_of.size());
    }
  }
}

}  // namespace
}  // namespace qtz
