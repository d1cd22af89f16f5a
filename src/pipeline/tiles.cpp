#include "tiles.h"

#include <algorithm>
#include <map>
#include <utility>

#include "qtz/core/error.h"

namespace qtz {
namespace {

bool is_plain(DType type) noexcept {
  return traits(type).block_elems == 1;
}

/// Only plain numbers may be cut anywhere; blocks, and encoders that look at a whole row, may not.
bool may_cut_rows(const TileJob& job) noexcept {
  return is_plain(job.expr->dtype()) &&
         std::all_of(job.targets.begin(), job.targets.end(),
                     [](const TileTarget& target) { return is_plain(target.entry->type); });
}

}  // namespace

std::uint64_t tile_elements_of(const TensorExpr& expr) {
  return expr.staging_bytes(1) > 0 ? kPanelElements : kTileElements;
}

TileQueue::TileQueue(std::span<const QuantPlan> plans) {
  // A plan that writes the same source twice has a job for each, so that jobs are in the order of its files.
  using Key = std::pair<const TensorExpr*, std::size_t>;  // source, and how often the plan has had it before
  std::map<Key, std::size_t> job_of;                      // looked up only, never walked
  for (std::size_t plan = 0; plan < plans.size(); ++plan) {
    std::map<const TensorExpr*, std::size_t> seen;
    for (const PlanEntry& entry : plans[plan].entries) {
      const TensorExpr* expr = entry.expr.get();
      const auto [at, is_new] = job_of.emplace(Key(expr, seen[expr]++), jobs_.size());
      if (is_new) {
        jobs_.emplace_back();
        jobs_.back().expr = expr;
      }
      jobs_[at->second].targets.push_back({static_cast<std::uint32_t>(plan), &entry});
    }
  }
  for (TileJob& job : jobs_) cut(job);
}

void TileQueue::cut(TileJob& job) {
  const Shape& shape = job.expr->shape();
  const bool per_expert = std::any_of(job.targets.begin(), job.targets.end(), [&](const TileTarget& target) {
    return target.entry->importance.size() > shape.cols();
  });
  job.first_tile = size_;
  job.grid = TileGrid(shape, per_expert ? shape[shape.rank() - 2] : shape.rows(), tile_elements_of(*job.expr),
                      may_cut_rows(job));
  if (job.grid.count() == 0) return;
  size_ += job.grid.count();

  const std::uint64_t rows = job.grid.tile_rows();
  const std::uint64_t cols = job.grid.tile_cols();
  bounds_.elements = std::max(bounds_.elements, rows * cols);
  bounds_.source_bytes = std::max(bounds_.source_bytes, rows * row_bytes(job.expr->dtype(), cols));
  bounds_.staging_bytes = std::max(bounds_.staging_bytes, job.expr->staging_bytes(rows));
  for (const TileTarget& target : job.targets) {
    bounds_.encoded_bytes = std::max(bounds_.encoded_bytes, rows * row_bytes(target.entry->type, cols));
  }
}

TileQueue::Item TileQueue::at(std::uint64_t index) const noexcept {
  QTZ_CHECK(index < size_);
  // Jobs without tiles share their first_tile with the next one, which is the later and so the found one.
  const auto after = std::upper_bound(jobs_.begin(), jobs_.end(), index,
                                      [](std::uint64_t i, const TileJob& job) { return i < job.first_tile; });
  const auto job = static_cast<std::size_t>(after - jobs_.begin()) - 1;
  return {job, jobs_[job].grid.at(index - jobs_[job].first_tile)};
}

}  // namespace qtz
