// Every type on every backend against bytes that ggml made.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "unit/kernels/golden_data.h"

namespace qtz::testing_kernels {
namespace {

class Golden : public testing::TestWithParam<std::tuple<DType, std::string>> {
 protected:
  void SetUp() override {
    if (!backend().supported)
      GTEST_SKIP() << "backend " << backend().name << " is not supported by this machine";
  }
  DType type() const { return std::get<0>(GetParam()); }
  const Backend& backend() const { return backend_named(std::get<1>(GetParam())); }

  std::vector<std::byte> encode(const GoldenSet& set, const float* importance,
                                std::uint64_t rows_per_call) const {
    const std::uint64_t per_row = row_bytes(type(), set.cols);
    std::vector<std::byte> out(set.rows * per_row);
    for (std::uint64_t row = 0; row < set.rows; row += rows_per_call) {
      const std::uint64_t count = std::min(rows_per_call, set.rows - row);
      backend().encode(type(), set.x.data() + row * set.cols, importance, count, set.cols,
                       out.data() + row * per_row);
    }
    return out;
  }

  void expect_golden(const GoldenSet& set) const {
    for (const bool weighted : {false, true}) {
      const auto want = set.expected(type(), weighted);
      if (!want && !weighted && traits(type()).needs_importance) continue;  // ggml refuses to make any
      ASSERT_TRUE(want.has_value()) << "no golden bytes in " << set.folder;
      const auto got = encode(set, weighted ? set.importance.data() : nullptr, set.rows);
      ASSERT_EQ(got.size(), want->size());
      EXPECT_TRUE(got == *want) << (weighted ? "importance: " : "plain: ")
                                << first_difference(set, type(), got, *want);
    }
  }
};

TEST_P(Golden, BytesAreGgmls) {
  expect_golden(own_golden());
}

TEST_P(Golden, BytesAreGgmlsOnTheSharedSet) {
  if (!shared_golden().present()) GTEST_SKIP() << "no " << shared_golden().folder;
  if (!shared_golden().expected(type(), true)) GTEST_SKIP() << "the shared set has no " << name_of(type());
  expect_golden(shared_golden());
}

TEST_P(Golden, CuttingTheRowsIntoCallsDoesNotMatter) {
  const GoldenSet& set = own_golden();
  for (const float* importance : {static_cast<const float*>(nullptr), set.importance.data()}) {
    const auto whole = encode(set, importance, set.rows);
    for (const std::uint64_t rows_per_call : {1u, 3u, 8u}) {
      EXPECT_TRUE(encode(set, importance, rows_per_call) == whole) << rows_per_call << " rows a call";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(AllTypes, Golden,
                         testing::Combine(testing::ValuesIn(encodable_types()),
                                          testing::ValuesIn(backend_names())),
                         type_and_backend);

}  // namespace
}  // namespace qtz::testing_kernels
