#include "error_sample.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "qtz/core/error.h"

namespace qtz {
namespace {

/// Elements decoded in one go: whole blocks of every type.
constexpr std::uint64_t kPiece = 256;

/// So many pieces of a tensor at least, of as many tiles as possible, are a fair sample; so many tiles are
/// enough.
constexpr std::uint64_t kLeastPieces = 16;
constexpr std::uint64_t kPiecesOfTile = 4;
constexpr std::uint64_t kMostTiles = 16;

}  // namespace

ErrorSample::ErrorSample(const TileQueue& queue, const Backend& backend) : queue_(queue), backend_(backend) {
  std::size_t size = 0;
  for (const TileJob& job : queue.jobs()) {
    const std::uint64_t tiles = job.grid.count();
    const std::uint64_t stride = std::max<std::uint64_t>(1, (tiles + kMostTiles - 1) / kMostTiles);
    const std::uint64_t sampled = (tiles + stride - 1) / stride;
    places_.push_back(
        {size, stride, std::max(kPiecesOfTile, kLeastPieces / std::max<std::uint64_t>(1, sampled))});
    size += sampled * job.targets.size();
  }
  sums_.resize(size);
}

void ErrorSample::add(const TileJob& job, const TileTarget& target, const Tile& tile,
                      std::span<const float> values, std::span<const std::byte> bytes) noexcept {
  const DType type = target.entry->type;
  if (!is_quantized(type) || !backend_.can_decode(type)) return;
  const Place& place = places_[static_cast<std::size_t>(&job - queue_.jobs().data())];
  const std::uint64_t number = job.grid.index_of(tile);
  if (number % place.stride != 0) return;
  const auto of_tile = static_cast<std::size_t>(&target - job.targets.data());
  sums_[place.first + number / place.stride * job.targets.size() + of_tile] =
      measure(type, place.pieces, values, bytes);
}

ErrorSample::Sum ErrorSample::measure(DType type, std::uint64_t pieces, std::span<const float> values,
                                      std::span<const std::byte> bytes) const noexcept {
  QTZ_CHECK(kPiece % traits(type).block_elems == 0);
  const std::uint64_t there = (values.size() + kPiece - 1) / kPiece;
  const std::uint64_t taken = std::min(pieces, there);
  std::array<float, kPiece> decoded;
  Sum sum;
  for (std::uint64_t i = 0; i < taken; ++i) {
    const std::uint64_t first = kPiece * (i * there / taken);
    const std::uint64_t size = std::min(kPiece, values.size() - first);
    backend_.decode(type, bytes.data() + row_bytes(type, first), decoded.data(), size);
    for (std::uint64_t k = 0; k < size; ++k) {
      const double x = static_cast<double>(values[first + k]);
      const double error = x - static_cast<double>(decoded[k]);
      sum.signal += x * x;
      sum.noise += error * error;
    }
  }
  return sum;
}

std::vector<SampledError> ErrorSample::worst(std::size_t plan, std::size_t count) const {
  std::vector<SampledError> found;
  for (std::size_t number = 0; number < places_.size(); ++number) {
    const TileJob& job = queue_.jobs()[number];
    const Place& place = places_[number];
    const std::size_t end = number + 1 < places_.size() ? places_[number + 1].first : sums_.size();
    for (std::size_t of_tile = 0; of_tile < job.targets.size(); ++of_tile) {
      const TileTarget& target = job.targets[of_tile];
      if (target.plan != plan) continue;
      Sum sum;
      for (std::size_t at = place.first + of_tile; at < end; at += job.targets.size()) {
        sum.signal += sums_[at].signal;
        sum.noise += sums_[at].noise;
      }
      // Nothing lost, or nothing there: not among the worst.
      if (!(sum.noise > 0) || !(sum.signal > 0)) continue;
      found.push_back({target.entry->name, target.entry->type, 10 * std::log10(sum.signal / sum.noise)});
    }
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const SampledError& a, const SampledError& b) { return a.sqnr_db < b.sqnr_db; });
  if (found.size() > count) found.resize(count);
  return found;
}

}  // namespace qtz
