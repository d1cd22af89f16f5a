// Cutting one tensor, seen as rows, into tiles of about one size.
#pragma once

#include <cstdint>

#include "qtz/core/shape.h"

namespace qtz {

/// Elements of a tile where rows allow it: the floats, their source and their encoding fit a core's own
/// cache.
inline constexpr std::uint64_t kTileElements = 64u << 10;

/// The same for inputs that are gathered from all over the file (transposed ones): the wider the panel, the
/// fewer the reads.
inline constexpr std::uint64_t kPanelElements = 8 * kTileElements;

/// Whole rows of one slice, or a part of one very long row.
struct Tile {
  std::uint64_t first_row = 0;
  std::uint64_t rows = 0;
  std::uint64_t first_col = 0;
  std::uint64_t cols = 0;
  std::uint64_t slice = 0;
  std::uint64_t elements() const noexcept { return rows * cols; }
};

class TileGrid {
 public:
  TileGrid() = default;
  /// Tiles of about `tile_elements` that do not cross slices of `slice_rows` rows, a divisor of shape.rows().
  /// Very long rows are cut only if `may_cut_rows`.
  TileGrid(const Shape& shape, std::uint64_t slice_rows, std::uint64_t tile_elements,
           bool may_cut_rows) noexcept;

  std::uint64_t count() const noexcept { return slices_ * down_ * across_; }
  /// Tiles in storage order.
  Tile at(std::uint64_t index) const noexcept;
  /// The index of one of them.
  std::uint64_t index_of(const Tile& tile) const noexcept;

  /// Of the largest tile.
  std::uint64_t tile_rows() const noexcept { return tile_rows_; }
  std::uint64_t tile_cols() const noexcept { return tile_cols_; }

 private:
  std::uint64_t cols_ = 0;
  std::uint64_t slice_rows_ = 0;
  std::uint64_t tile_rows_ = 0;
  std::uint64_t tile_cols_ = 0;
  std::uint64_t slices_ = 0;
  std::uint64_t down_ = 0;    ///< tiles of a slice, one below the other
  std::uint64_t across_ = 0;  ///< tiles side by side
};

}  // namespace qtz
