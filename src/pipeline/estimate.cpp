#include "qtz/pipeline/estimate.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <tuple>
#include <vector>

#include "qtz/core/error.h"
#include "tile_worker.h"
#include "tiles.h"

namespace qtz {
namespace {

/// Elements tried of each kind: a few milliseconds with the slowest encoder.
constexpr std::uint64_t kTriedElements = 32u << 10;

class NoWriter final : public TileWorker::Writer {
 public:
  void write(const TileTarget&, std::uint64_t, std::span<const std::byte>) override {}
  void see(const TileJob&, const TileTarget&, const Tile&, std::span<const float>,
           std::span<const std::byte>) override {}
};

/// What decides how fast a tensor goes: its stored type, whether it is gathered from all over the file, and
/// what it becomes.
struct Kind {
  DType stored;
  bool gathered;
  std::vector<std::pair<DType, bool>> targets;  ///< with importance or without

  explicit Kind(const TileJob& job) : stored(job.expr->dtype()), gathered(job.expr->staging_bytes(1) > 0) {
    for (const TileTarget& target : job.targets)
      targets.emplace_back(target.entry->type, !target.entry->importance.empty());
  }
  bool operator<(const Kind& other) const {
    return std::tie(stored, gathered, targets) < std::tie(other.stored, other.gathered, other.targets);
  }
};

struct OfKind {
  const TileJob* largest = nullptr;
  std::uint64_t elements = 0;
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Seconds for each element of the job, tried on a tile in its middle after one to warm up.
double try_tile(TileWorker& worker, const TileJob& job) {
  NoWriter writer;
  double seconds = 0;
  std::uint64_t elements = 1;
  for (const std::uint64_t number : {std::uint64_t{0}, job.grid.count() / 2}) {
    Tile tile = job.grid.at(number);
    tile.rows = std::min(tile.rows, std::max<std::uint64_t>(1, kTriedElements / tile.cols));
    const auto start = std::chrono::steady_clock::now();
    worker.process(job, tile, writer);  // what it cannot write, execute() will not either, and say so
    seconds = seconds_since(start);
    elements = tile.elements();
  }
  return seconds / static_cast<double>(elements);
}

}  // namespace

double estimate_seconds(std::span<const QuantPlan> plans, const Backend& backend, const CancelToken& cancel) {
  const TileQueue queue(plans);
  std::map<Kind, OfKind> kinds;
  for (const TileJob& job : queue.jobs()) {
    if (job.grid.count() == 0) continue;
    OfKind& kind = kinds[Kind(job)];
    const std::uint64_t elements = job.expr->shape().elements();
    kind.elements += elements;
    if (kind.largest == nullptr || elements > kind.largest->expr->shape().elements()) kind.largest = &job;
  }
  double seconds = 0;
  try {
    TileWorker worker(queue.bounds(), backend, plans.front().on_nan);
    for (const auto& [kind, of_kind] : kinds) {
      cancel.poll();
      seconds += try_tile(worker, *of_kind.largest) * static_cast<double>(of_kind.elements);
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::input_missing && error.kind() != ErrorKind::input_invalid) throw;
    return 0;
  }
  return seconds;
}

}  // namespace qtz
