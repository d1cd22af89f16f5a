// Every backend against the pedestrian reference encoders, on rows that are not golden: all tempers, all tail
// lengths.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <tuple>
#include <vector>

#include "reference/reference_list.h"
#include "unit/kernels/golden_data.h"
#include "unit/kernels/random_rows.h"

namespace qtz::testing_kernels {
namespace {

class BackendEquality : public testing::TestWithParam<std::tuple<DType, std::string>> {
 protected:
  void SetUp() override {
    if (!backend().supported)
      GTEST_SKIP() << "backend " << backend().name << " is not supported by this machine";
  }
  DType type() const { return std::get<0>(GetParam()); }
  std::uint64_t block() const { return traits(type()).block_elems; }
  const Backend& backend() const { return backend_named(std::get<1>(GetParam())); }

  void expect_reference_bytes(const std::vector<float>& x, const float* importance, std::uint64_t rows,
                              std::uint64_t cols, const std::string& what) const {
    const std::uint64_t bytes = rows * row_bytes(type(), cols);
    std::vector<std::byte> want(bytes), got(bytes);
    reference::codec(type()).encode(x.data(), importance, rows, cols, want.data());
    backend().encode(type(), x.data(), importance, rows, cols, got.data());
    if (got == want) return;
    const auto at =
        static_cast<std::uint64_t>(std::mismatch(got.begin(), got.end(), want.begin()).first - got.begin());
    ADD_FAILURE() << what << (importance != nullptr ? ", importance" : "") << ", " << rows << " x " << cols
                  << ": byte " << at << " (block " << at / traits(type()).block_bytes << ") is "
                  << std::to_integer<int>(got[at]) << ", want " << std::to_integer<int>(want[at]);
  }
};

TEST_P(BackendEquality, EncodesAsTheReferenceDoes) {
  const std::uint64_t rows = 7, cols = std::max<std::uint64_t>(3 * block(), 96);
  for (const Temper temper : kTempers) {
    for (std::uint32_t seed = 0; seed < 4; ++seed) {
      const auto x = random_values(temper, rows * cols, seed);
      const auto importance = random_importance(cols, seed);
      expect_reference_bytes(x, nullptr, rows, cols, name_of(temper));
      expect_reference_bytes(x, importance.data(), rows, cols, name_of(temper));
    }
  }
}

TEST_P(BackendEquality, EncodesTailsOfEveryLength) {
  const auto x = random_values(Temper::normal, 36 * block(), 5);
  const auto importance = random_importance(36 * block(), 6);
  for (std::uint64_t blocks = 1; blocks <= 36; ++blocks) {
    for (std::uint64_t rows = 1; rows <= 4; ++rows) {
      if (blocks % rows != 0) continue;
      expect_reference_bytes(x, nullptr, rows, blocks / rows * block(), "tail");
      expect_reference_bytes(x, importance.data(), rows, blocks / rows * block(), "tail");
    }
  }
}

TEST_P(BackendEquality, WritesNothingPastItsBlocks) {
  const auto x = random_values(Temper::normal, 19 * block(), 7);
  const std::uint64_t bytes = row_bytes(type(), 19 * block());
  std::vector<std::byte> out(bytes + 256, std::byte{0xA5});
  backend().encode(type(), x.data(), nullptr, 1, 19 * block(), out.data());
  EXPECT_TRUE(std::all_of(out.begin() + static_cast<std::ptrdiff_t>(bytes), out.end(),
                          [](std::byte byte) { return byte == std::byte{0xA5}; }));
}

TEST_P(BackendEquality, DecodesAsTheReferenceDoes) {
  const std::uint64_t elems = 37 * block();
  const std::uint64_t bytes = row_bytes(type(), elems);
  std::mt19937 engine(11);
  for (int round = 0; round < 8; ++round) {
    // Blocks of an encoder in the even rounds; in the odd ones any bytes, as a hostile file has them.
    std::vector<std::byte> blocks(bytes + 1);
    if (round % 2 == 0) {
      const auto x = random_values(Temper::heavy_tails, elems, static_cast<std::uint32_t>(round));
      reference::codec(type()).encode(x.data(), nullptr, 1, elems, blocks.data());
    } else {
      for (std::byte& byte : blocks) byte = static_cast<std::byte>(engine() & 0xFF);
    }
    const int misalignment = round < 4 ? 0 : 1;
    std::vector<std::byte> moved(bytes + 1);
    std::memcpy(moved.data() + misalignment, blocks.data(), bytes);
    std::vector<float> want(elems), got(elems);
    reference::codec(type()).decode(blocks.data(), want.data(), elems);
    backend().decode(type(), moved.data() + misalignment, got.data(), elems);
    for (std::uint64_t i = 0; i < elems; ++i) {
      const bool both_nan = std::isnan(want[i]) && std::isnan(got[i]);
      ASSERT_TRUE(both_nan || std::bit_cast<std::uint32_t>(want[i]) == std::bit_cast<std::uint32_t>(got[i]))
          << "element " << i << " is " << got[i] << ", want " << want[i] << " (round " << round << ")";
    }
  }
}

TEST_P(BackendEquality, DecodesEveryNumberOfBlocks) {
  const auto x = random_values(Temper::normal, 20 * block(), 13);
  std::vector<std::byte> blocks(row_bytes(type(), 20 * block()));
  reference::codec(type()).encode(x.data(), nullptr, 1, 20 * block(), blocks.data());
  std::vector<float> whole(20 * block());
  backend().decode(type(), blocks.data(), whole.data(), whole.size());
  for (std::uint64_t count = 1; count < 20; ++count) {
    std::vector<float> part(count * block() + 16, -7.0f);
    backend().decode(type(), blocks.data(), part.data(), count * block());
    EXPECT_EQ(std::memcmp(part.data(), whole.data(), count * block() * sizeof(float)), 0)
        << count << " blocks";
    EXPECT_EQ(part[count * block()], -7.0f) << "wrote past " << count << " blocks";
  }
}

INSTANTIATE_TEST_SUITE_P(AllTypes, BackendEquality,
                         testing::Combine(testing::ValuesIn(encodable_types()),
                                          testing::ValuesIn(backend_names())),
                         type_and_backend);

}  // namespace
}  // namespace qtz::testing_kernels
