#include "tile_worker.h"

#include <algorithm>
#include <cmath>

#include "qtz/core/error.h"

namespace qtz {
namespace {

/// Where the tile starts in the tensor's bytes, were it stored as `type`.
std::uint64_t first_byte(const Shape& shape, const Tile& tile, DType type) noexcept {
  return tile.first_row * row_bytes(type, shape.cols()) + row_bytes(type, tile.first_col);
}

bool is_block_type(DType type) noexcept {
  return traits(type).block_elems > 1;
}

}  // namespace

bool can_keep_nonfinite(const PlanEntry& entry) noexcept {
  return entry.copied() || !is_block_type(entry.type);
}

bool can_zero_nonfinite(const PlanEntry& entry) noexcept {
  return !entry.copied() || !is_block_type(entry.type);
}

TileWorker::TileWorker(const TileBounds& bounds, const Backend& backend, OnNan on_nan)
    : backend_(backend),
      on_nan_(on_nan),
      source_(std::make_unique_for_overwrite<std::byte[]>(bounds.source_bytes)),
      floats_(std::make_unique_for_overwrite<float[]>(bounds.elements)),
      encoded_(std::make_unique_for_overwrite<std::byte[]>(bounds.encoded_bytes)) {}

std::uint64_t TileWorker::memory(const TileBounds& bounds) noexcept {
  return bounds.source_bytes + bounds.elements * sizeof(float) + bounds.encoded_bytes;
}

std::span<std::byte> TileWorker::read(const TileJob& job, const Tile& tile) {
  const TensorExpr& expr = *job.expr;
  const std::span<std::byte> out(source_.get(), tile.rows * row_bytes(expr.dtype(), tile.cols));
  if (tile.cols == expr.shape().cols()) {
    expr.read_rows(tile.first_row, tile.rows, out);
  } else {
    expr.read_block(tile.first_row, tile.rows, tile.first_col, tile.cols, out);
  }
  return out;
}

std::span<float> TileWorker::widen(const TileJob& job, const Tile& tile, std::span<const std::byte> source) {
  const std::span<float> values(floats_.get(), tile.elements());
  backend_.decode(job.expr->dtype(), source.data(), values.data(), values.size());
  return values;
}

std::span<const std::byte> TileWorker::encode(const PlanEntry& entry, const Tile& tile,
                                              std::span<const float> values) {
  const float* importance = nullptr;
  if (!entry.importance.empty()) {
    // One set of values for all rows, or one per expert.
    const std::uint64_t cols = entry.expr->shape().cols();
    importance = entry.importance.data() + (entry.importance.size() > cols ? tile.slice * cols : 0);
  }
  const std::span<std::byte> out(encoded_.get(), tile.rows * row_bytes(entry.type, tile.cols));
  backend_.encode(entry.type, values.data(), importance, tile.rows, tile.cols, out.data());
  return out;
}

std::optional<TileProblem> TileWorker::treat_nonfinite(const TileJob& job, std::span<float> values,
                                                       NonfiniteCount count) {
  if (on_nan_ == OnNan::fail) {
    return TileProblem{TileProblem::Kind::nonfinite, &job, job.targets.front().entry};
  }
  for (const TileTarget& target : job.targets) {
    const PlanEntry& entry = *target.entry;
    if (on_nan_ == OnNan::keep && !can_keep_nonfinite(entry)) {
      return TileProblem{TileProblem::Kind::cannot_keep, &job, &entry};
    }
    if (on_nan_ == OnNan::zero && !can_zero_nonfinite(entry)) {
      return TileProblem{TileProblem::Kind::cannot_zero, &job, &entry};
    }
  }
  if (on_nan_ == OnNan::zero) {
    std::replace_if(
        values.begin(), values.end(), [](float value) { return !std::isfinite(value); }, 0.0f);
    replaced_ += count.total();
  }
  return std::nullopt;
}

std::optional<TileProblem> TileWorker::process(const TileJob& job, const Tile& tile, Writer& writer) {
  const DType stored = job.expr->dtype();
  const std::span<std::byte> source = read(job, tile);

  const bool all_copied = std::all_of(job.targets.begin(), job.targets.end(),
                                      [](const TileTarget& target) { return target.entry->copied(); });
  bool extreme = backend_.can_decode(stored) && may_hold_extremes(stored, source);
  std::span<float> values;
  if (extreme || !all_copied) {
    values = widen(job, tile, source);
    extreme = extreme && may_hold_extremes(values);
  }
  bool zeroed = false;
  if (extreme && backend_.find_nonfinite(values.data(), values.size()) < values.size()) {
    const NonfiniteCount count = qtz::count_nonfinite(values);
    if (auto problem = treat_nonfinite(job, values, count)) return problem;
    zeroed = on_nan_ == OnNan::zero;
  }

  for (const TileTarget& target : job.targets) {
    const PlanEntry& entry = *target.entry;
    std::span<const std::byte> bytes = source;
    if (!entry.copied() || zeroed) {
      bytes = encode(entry, tile, values);
      if (extreme && !survived_encoding(entry.type, bytes, values, backend_)) {
        return TileProblem{TileProblem::Kind::too_large, &job, &entry};
      }
      writer.see(job, target, tile, values, bytes);
    }
    writer.write(target, first_byte(job.expr->shape(), tile, entry.type), bytes);
  }
  return std::nullopt;
}

NonfiniteCount TileWorker::count_nonfinite(const TileJob& job, const Tile& tile,
                                           std::optional<std::uint64_t>& first) {
  const std::span<const float> values = widen(job, tile, read(job, tile));
  const std::uint64_t at = backend_.find_nonfinite(values.data(), values.size());
  if (at == values.size()) return {};
  const std::uint64_t row = tile.first_row + at / tile.cols;
  first = row * job.expr->shape().cols() + tile.first_col + at % tile.cols;
  return qtz::count_nonfinite(values);
}

}  // namespace qtz
