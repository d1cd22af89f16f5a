#include "tile_grid.h"

#include <algorithm>

#include "qtz/core/error.h"

namespace qtz {
namespace {

/// Rows come in groups of this size where they fit, so that encoders with one row per lane have full lanes.
constexpr std::uint64_t kLaneRows = 16;

/// A row is cut, if it may be, when it is longer than so many tiles.
constexpr std::uint64_t kLongRowTiles = 4;

std::uint64_t rows_per_tile(std::uint64_t cols, std::uint64_t tile_elements) noexcept {
  const std::uint64_t fitting = tile_elements / cols;
  if (fitting >= kLaneRows) return fitting / kLaneRows * kLaneRows;
  return std::clamp<std::uint64_t>(kLongRowTiles * tile_elements / cols, 1, kLaneRows);
}

std::uint64_t ceil_div(std::uint64_t a, std::uint64_t b) noexcept {
  return a / b + (a % b != 0 ? 1 : 0);
}

}  // namespace

TileGrid::TileGrid(const Shape& shape, std::uint64_t slice_rows, std::uint64_t tile_elements,
                   bool may_cut_rows) noexcept {
  const std::uint64_t rows = shape.rows();
  cols_ = shape.cols();
  if (rows == 0 || cols_ == 0) return;
  QTZ_CHECK(slice_rows > 0 && rows % slice_rows == 0);
  slice_rows_ = slice_rows;
  const bool cut = may_cut_rows && cols_ > kLongRowTiles * tile_elements;
  tile_rows_ = cut ? 1 : std::min(slice_rows, rows_per_tile(cols_, tile_elements));
  tile_cols_ = cut ? tile_elements : cols_;
  slices_ = rows / slice_rows;
  down_ = ceil_div(slice_rows, tile_rows_);
  across_ = ceil_div(cols_, tile_cols_);
}

Tile TileGrid::at(std::uint64_t index) const noexcept {
  QTZ_CHECK(index < count());
  const std::uint64_t column = index % across_;
  const std::uint64_t strip = index / across_ % down_;
  Tile tile;
  tile.slice = index / across_ / down_;
  tile.first_row = tile.slice * slice_rows_ + strip * tile_rows_;
  tile.rows = std::min(tile_rows_, slice_rows_ - strip * tile_rows_);
  tile.first_col = column * tile_cols_;
  tile.cols = std::min(tile_cols_, cols_ - tile.first_col);
  return tile;
}

std::uint64_t TileGrid::index_of(const Tile& tile) const noexcept {
  const std::uint64_t strip = (tile.first_row - tile.slice * slice_rows_) / tile_rows_;
  return (tile.slice * down_ + strip) * across_ + tile.first_col / tile_cols_;
}

}  // namespace qtz
