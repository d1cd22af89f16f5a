#include "pipeline/tiles.h"

#include <gtest/gtest.h>

#include "planned_models.h"

namespace qtz {
namespace {

using namespace qtz::test;

std::vector<Tile> tiles_of(const TileQueue& queue) {
  std::vector<Tile> tiles;
  for (std::uint64_t i = 0; i < queue.size(); ++i) tiles.push_back(queue.at(i).tile);
  return tiles;
}

TEST(Tiles, CoverEveryElementOnceInOrder) {
  for (const Shape& shape :
       {Shape{1000, 256}, Shape{3, 100'000}, Shape{1, 5}, Shape{7, 33, 64}, Shape{40'000, 1}}) {
    const QuantPlan plan = make_plan(model_of({planned("x.weight", shape)}), find_file_type("Q8_0"), {});
    const TileQueue queue({&plan, 1});
    std::uint64_t row = 0;
    for (const Tile& tile : tiles_of(queue)) {
      EXPECT_EQ(tile.first_row, row);
      EXPECT_EQ(tile.cols, shape.cols());
      EXPECT_LE(tile.rows * tile.cols, queue.bounds().elements);
      row += tile.rows;
    }
    EXPECT_EQ(row, shape.rows()) << shape.to_string();
  }
}

TEST(Tiles, AreFoundAgain) {
  const TileGrid grids[] = {TileGrid({12, 300, 512}, 300, kTileElements, false),
                            TileGrid({2, 10 * kTileElements + 5}, 2, kTileElements, true),
                            TileGrid({7, 33}, 7, kTileElements, false)};
  for (const TileGrid& grid : grids) {
    for (std::uint64_t i = 0; i < grid.count(); ++i) EXPECT_EQ(grid.index_of(grid.at(i)), i);
  }
}

TEST(Tiles, OfPlainNumbersCutVeryLongRows) {
  const std::uint64_t cols = 10 * kTileElements + 5;
  const QuantPlan plan = make_plan(model_of({planned("x.bias", {2, cols})}), find_file_type("Q8_0"), {});
  const TileQueue queue({&plan, 1});
  std::uint64_t elements = 0;
  for (const Tile& tile : tiles_of(queue)) {
    EXPECT_EQ(tile.first_row * cols + tile.first_col, elements);
    elements += tile.rows * tile.cols;
  }
  EXPECT_EQ(elements, 2 * cols);
  EXPECT_LE(queue.bounds().elements, kTileElements);
}

TEST(Tiles, DoNotCrossExpertsThatHaveTheirOwnImportance) {
  QuantPlan plan = make_plan(model_of({planned("x.weight", {5, 300, 256})}), find_file_type("Q8_0"), {});
  const std::vector<float> importance(5 * 256, 1.0f);
  plan.entries[0].importance = importance;
  for (const Tile& tile : tiles_of(TileQueue({&plan, 1}))) {
    EXPECT_EQ(tile.first_row / 300, tile.slice);
    EXPECT_EQ((tile.first_row + tile.rows - 1) / 300, tile.slice);
  }
}

TEST(Tiles, OfSeveralPlansShareTheReading) {
  const GgufModel model = dense_model(2);
  const std::vector<QuantPlan> plans = {make_plan(model, find_file_type("Q8_0"), {}),
                                        make_plan(model, find_file_type("Q4_K_M"), {})};
  const TileQueue both(plans);
  const TileQueue one({plans.data(), 1});
  EXPECT_EQ(both.size(), one.size());
  for (const TileJob& job : both.jobs()) EXPECT_EQ(job.targets.size(), 2u);
}

TEST(Tiles, OfATensorWithoutElementsDoNotExist) {
  EXPECT_EQ(TileGrid(Shape{0, 32}, 0, 100, true).count(), 0u);
  EXPECT_EQ(TileGrid(Shape{4, 0}, 4, 100, true).count(), 0u);
  EXPECT_EQ(TileGrid(Shape{4, 32}, 4, 100, true).count(), 1u);
}

}  // namespace
}  // namespace qtz
