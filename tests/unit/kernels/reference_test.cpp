// Every encoder of every supported backend against the pedestrian reference, on rows made to break it.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <random>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "quants/iq4_levels.h"
#include "reference/iq4_ref.h"
#include "reference/reference_list.h"
#include "unit/kernels/adversarial_rows.h"
#include "unit/kernels/golden_data.h"

namespace qtz::testing_kernels {
namespace {

/// Rows per type and test; QTZ_REFERENCE_TILES asks for more by hand.
int tile_count() {
  const char* asked = std::getenv("QTZ_REFERENCE_TILES");
  return asked != nullptr ? std::max(1, std::atoi(asked)) : 12;
}

class Encoder : public testing::TestWithParam<std::tuple<DType, bool>> {};

TEST_P(Encoder, GivesTheReferenceBytesOnAdversarialRows) {
  const auto [type, weighted] = GetParam();
  const std::uint64_t per_block = traits(type).block_elems;
  AdversarialRows source(17);
  for (int tile = 0; tile < tile_count(); ++tile) {
    // Row and block counts that do not divide by any lane width.
    const std::uint64_t rows = 1 + static_cast<std::uint64_t>(source.below(13));
    const std::uint64_t cols = 256 * (1 + static_cast<std::uint64_t>(source.below(7)));
    std::vector<float> x(rows * cols), importance(cols);
    for (std::uint64_t row = 0; row < rows; ++row) source.fill(std::span(x).subspan(row * cols, cols));
    source.fill_importance(importance);
    const float* const weights = weighted ? importance.data() : nullptr;

    std::vector<std::byte> want(rows * row_bytes(type, cols)), got(want.size());
    reference::codec(type).encode(x.data(), weights, rows, cols, want.data());
    for (const Backend& backend : list_backends()) {
      if (!backend.supported) continue;
      backend.encode(type, x.data(), weights, rows, cols, got.data());
      for (std::uint64_t at = 0; at < want.size(); ++at) {
        const std::uint64_t block = at / traits(type).block_bytes;
        ASSERT_EQ(std::to_integer<int>(got[at]), std::to_integer<int>(want[at]))
            << name_of(type) << (weighted ? " with importance" : "") << " on " << backend.name << ": tile "
            << tile << ", block " << block << " (row " << block * per_block / cols << "), byte "
            << at % traits(type).block_bytes;
      }
    }
  }
}

std::string type_and_weighting(const testing::TestParamInfo<std::tuple<DType, bool>>& info) {
  return std::string(name_of(std::get<0>(info.param))) + (std::get<1>(info.param) ? "_importance" : "_plain");
}

INSTANTIATE_TEST_SUITE_P(Reference, Encoder,
                         testing::Combine(testing::ValuesIn(encodable_types()), testing::Bool()),
                         type_and_weighting);

class Decoder : public testing::TestWithParam<DType> {};

TEST_P(Decoder, GivesTheReferenceFloatsOnArbitraryBlocks) {
  const DType type = GetParam();
  const std::uint64_t elems = 256 * 7;
  std::mt19937 engine(5);
  for (int round = 0; round < 20; ++round) {
    std::vector<std::byte> blocks(row_bytes(type, elems));
    for (std::byte& byte : blocks) byte = static_cast<std::byte>(engine() & 0xffU);
    std::vector<float> want(elems), got(elems);
    reference::codec(type).decode(blocks.data(), want.data(), elems);
    for (const Backend& backend : list_backends()) {
      if (!backend.supported) continue;
      backend.decode(type, blocks.data(), got.data(), elems);
      for (std::uint64_t i = 0; i < elems; ++i) {
        if (std::isnan(want[i]) && std::isnan(got[i])) continue;
        ASSERT_EQ(std::bit_cast<std::uint32_t>(got[i]), std::bit_cast<std::uint32_t>(want[i]))
            << name_of(type) << " on " << backend.name << ": element " << i << " is " << got[i] << ", not "
            << want[i];
      }
    }
  }
}

std::string only_type(const testing::TestParamInfo<DType>& info) {
  return std::string(name_of(info.param));
}

INSTANTIATE_TEST_SUITE_P(Reference, Decoder, testing::ValuesIn(encodable_types()), only_type);

TEST(Iq4Levels, AreChosenByMiddlesExactlyAsByComparingDifferences) {
  using Lane = quants::ScalarLane;
  const auto expect_same = [](float x) {
    EXPECT_EQ(quants::nearest_iq4_index<Lane>(x), reference::nearest_iq4(x)) << x;
    EXPECT_EQ(quants::nearest_iq4_level<Lane>(x),
              static_cast<float>(reference::kIq4Values[static_cast<std::size_t>(reference::nearest_iq4(x))]))
        << x;
  };
  for (std::size_t i = 0; i < 15; ++i) {
    for (const float around : {quants::iq4_middle(i), quants::kIq4Levels[i], quants::kIq4Levels[i + 1]}) {
      for (std::uint32_t ulps = 0; ulps < 2000; ++ulps) {
        const std::uint32_t bits = std::bit_cast<std::uint32_t>(around);
        expect_same(std::bit_cast<float>(bits + ulps));
        expect_same(std::bit_cast<float>(bits - ulps));
      }
    }
  }
  for (float x = -140.0f; x < 140.0f; x += 0.0137f) expect_same(x);
}

}  // namespace
}  // namespace qtz::testing_kernels
