// The grids of the IQ1, IQ2 and IQ3 types, the points near what is none, and the corners of their encoders
// that rows of weights hardly reach.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "quants/grid_neighbours.h"
#include "reference/grid_ref.h"
#include "reference/reference_list.h"
#include "unit/kernels/golden_data.h"

namespace qtz::testing_kernels {
namespace {

using reference::Digits;
using reference::PointGrid;

template <class G>
Digits digits_of(std::uint16_t packed) {
  Digits digits;
  for (std::size_t i = 0; i < G::digits; ++i) digits.push_back(G::digit(packed, i));
  return digits;
}

/// The reference sorts all points for each list, so of the large grids every seventh list is enough.
template <class G, std::size_t Width>
void expect_lists(const PointGrid& grid, std::size_t every) {
  using Table = quants::GridNeighbours<G, Width>;
  const Table& table = Table::table();
  std::size_t listed = 0;
  for (std::size_t code = 0; code < G::codes; ++code) {
    const Digits digits = digits_of<G>(G::pack(static_cast<std::uint32_t>(code)));
    const auto& place = table.at(code);
    const int number = grid.number_of(digits);
    ASSERT_EQ(number >= 0, place.sets == 0) << code;
    if (number >= 0) {
      ASSERT_EQ(place.first, static_cast<std::uint32_t>(number));
      continue;
    }
    const std::uint16_t* list = table.list(place);
    const std::size_t padded = place.sets * Width;
    std::size_t size = 1;
    while (size < padded && list[size] != list[0]) ++size;
    ASSERT_LT(padded - size, Width) << code;
    for (std::size_t i = size; i < padded; ++i) ASSERT_EQ(list[i], list[0]) << "padding of " << code;
    listed += size;
    if (code % every != 0) continue;
    std::vector<int> found;
    for (std::size_t i = 0; i < size; ++i) found.push_back(grid.number_of(digits_of<G>(list[i])));
    ASSERT_EQ(found, grid.near(digits)) << code;
  }
  EXPECT_EQ(listed, quants::kListed<G>);
}

TEST(GridLists, AreThePointsAtTheSmallestDistances) {
  expect_lists<quants::Grid3Xxs, 8>(reference::grid_3_xxs(), 7);
  expect_lists<quants::Grid3S, 16>(reference::grid_3_s(), 7);
  expect_lists<quants::Grid2Xxs, 4>(reference::grid_2_xxs(), 7);
  expect_lists<quants::Grid2Xs, 1>(reference::grid_2_xs(), 7);
  expect_lists<quants::Grid2S, 8>(reference::grid_2_s(), 7);
  expect_lists<quants::Grid1, 16>(reference::grid_1(), 29);
}

TEST(GridPoints, AreInAscendingOrderAndContainZero) {
  const auto expect_sound = [](const auto& points) {
    EXPECT_TRUE(std::is_sorted(points.begin(), points.end()));
    EXPECT_EQ(std::set<std::uint16_t>(points.begin(), points.end()).size(), points.size());
    EXPECT_EQ(points[0], 0);
  };
  expect_sound(quants::Grid3Xxs::points);
  expect_sound(quants::Grid3S::points);
  expect_sound(quants::Grid2Xxs::points);
  expect_sound(quants::Grid2Xs::points);
  expect_sound(quants::Grid2S::points);
  expect_sound(quants::Grid1::points);
}

constexpr DType kGridTypes[] = {DType::iq3_xxs, DType::iq3_s, DType::iq2_xxs, DType::iq2_xs,
                                DType::iq2_s,   DType::iq1_s, DType::iq1_m};

void expect_reference_bytes(DType type, const std::vector<float>& x, const std::vector<float>& importance,
                            const std::string& what) {
  std::vector<std::byte> want(row_bytes(type, x.size())), got(want.size());
  const float* const weights = importance.empty() ? nullptr : importance.data();
  reference::codec(type).encode(x.data(), weights, 1, x.size(), want.data());
  for (const Backend& backend : list_backends()) {
    if (!backend.supported) continue;
    backend.encode(type, x.data(), weights, 1, x.size(), got.data());
    EXPECT_TRUE(got == want) << name_of(type) << " on " << backend.name << ": " << what;
  }
}

TEST(GridEncoders, FollowTheReferenceWhereTheLargestWeightDoesNotCount) {
  // The largest weight of each eight, without importance, gives up its sign; the scale is fitted to others
  // and may come out negative, and rounding goes beyond 2^22.
  std::mt19937 engine(3);
  for (const float outlier : {3.0f, 1e3f, 1e7f, 1e12f, 1e25f}) {
    std::vector<float> x(256 * 19), importance(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const bool largest = i % 8 == i / 8 % 8;
      const float sign = engine() % 2 == 0 ? 1.0f : -1.0f;
      x[i] = sign * (largest ? outlier : static_cast<float>(1 + engine() % 100) / 100.0f);
      importance[i] = largest ? 0.0f : 1.0f;
    }
    for (const DType type : kGridTypes) {
      expect_reference_bytes(type, x, importance, "outliers of " + std::to_string(outlier));
    }
  }
}

TEST(GridEncoders, FollowTheReferenceAroundZeroSubBlocks) {
  // IQ3_S closes the gaps that sub-blocks of zeros leave.
  std::mt19937 engine(5);
  std::vector<float> x(256 * 256);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const bool zero = (i / 256 >> (i / 32 % 8) & 1) != 0;
    x[i] = zero ? 0.0f : static_cast<float>(static_cast<int>(engine() % 2001) - 1000) / 1000.0f;
  }
  for (const DType type : kGridTypes) {
    expect_reference_bytes(type, x, {}, "zeros");
    expect_reference_bytes(type, x, std::vector<float>(x.size(), 1.0f), "zeros");
  }
}

TEST(GridEncoders, AreTheSameWhenManyThreadsAskForTheListsAtOnce) {
  // The other tests of the program have hardly asked for them in this order, and a sanitizer sees the rest.
  std::vector<float> x(256 * 8);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<float>(i) * 1.7f);
  for (const DType type : kGridTypes) {
    std::vector<std::vector<std::byte>> found(4, std::vector<std::byte>(row_bytes(type, x.size())));
    std::vector<std::thread> threads;
    for (auto& bytes : found) {
      threads.emplace_back(
          [&, type] { select_backend("scalar").encode(type, x.data(), nullptr, 1, x.size(), bytes.data()); });
    }
    for (std::thread& thread : threads) thread.join();
    for (const auto& bytes : found) EXPECT_EQ(bytes, found[0]) << name_of(type);
  }
}

TEST(GridDecoders, ReadWhatTheScaleAndThePointSay) {
  // One point of each grid by hand: the last, all signs minus, scale 1, d = 1.
  const auto decode = [](DType type, std::vector<std::byte> block) {
    std::vector<float> x(256);
    select_backend("scalar").decode(type, block.data(), x.data(), x.size());
    return x;
  };
  std::vector<std::byte> iq3_s(110, std::byte{0xFF});
  iq3_s[0] = std::byte{0x00};
  iq3_s[1] = std::byte{0x3C};
  const std::uint16_t last = quants::Grid3S::points[511];
  const std::vector<float> x = decode(DType::iq3_s, iq3_s);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(x[i], -31.0f * static_cast<float>(2 * quants::Grid3S::digit(last, i) + 1));
  }
  std::vector<std::byte> iq2_xs(74, std::byte{0xFF});
  iq2_xs[0] = std::byte{0x00};
  iq2_xs[1] = std::byte{0x3C};
  const std::uint16_t last_2 = quants::Grid2Xs::points[511];
  const std::vector<float> y = decode(DType::iq2_xs, iq2_xs);
  constexpr float kValues[] = {8, 25, 43};
  for (std::size_t i = 0; i < 8; ++i) {
    // Seven minus signs are odd, so the eighth is minus too.
    EXPECT_EQ(y[i], -15.5f * 0.25f * kValues[quants::Grid2Xs::digit(last_2, i)]);
  }
}

}  // namespace
}  // namespace qtz::testing_kernels
