// All tiles of all tensors of one or several plans in one queue, so that every core is busy to the end even
// when one tensor is half of the model, and so that each tile is read and widened once for all plans.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "qtz/pipeline/plan.h"
#include "tile_grid.h"

namespace qtz {

/// An entry that a tensor is written to.
struct TileTarget {
  std::uint32_t plan;
  const PlanEntry* entry;
};

/// One source tensor with all entries made of it.
struct TileJob {
  const TensorExpr* expr = nullptr;
  std::vector<TileTarget> targets;
  std::uint64_t first_tile = 0;
  TileGrid grid;  ///< one slice, or one per expert where experts have importance of their own
};

/// Largest sizes of any tile, for buffers.
struct TileBounds {
  std::uint64_t elements = 0;
  std::uint64_t source_bytes = 0;
  std::uint64_t encoded_bytes = 0;
  std::uint64_t staging_bytes = 0;  ///< what reading needs of its own
};

/// How large tiles of that source should be.
std::uint64_t tile_elements_of(const TensorExpr& expr);

class TileQueue {
 public:
  explicit TileQueue(std::span<const QuantPlan> plans);

  struct Item {
    std::size_t job;  ///< index into jobs()
    Tile tile;
  };
  std::uint64_t size() const noexcept { return size_; }
  Item at(std::uint64_t index) const noexcept;

  std::span<const TileJob> jobs() const noexcept { return jobs_; }
  const TileBounds& bounds() const noexcept { return bounds_; }

 private:
  void cut(TileJob& job);

  std::vector<TileJob> jobs_;
  std::uint64_t size_ = 0;
  TileBounds bounds_;
};

}  // namespace qtz
