// How well quantized tensors came out, seen while they are written: a few pieces of some tiles are decoded
// again and held against their source. For the summary of a run; verify measures everything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "qtz/kernels/backend.h"
#include "qtz/pipeline/run.h"
#include "tiles.h"

namespace qtz {

class ErrorSample {
 public:
  /// `queue` must outlive this.
  ErrorSample(const TileQueue& queue, const Backend& backend);

  /// A tile was encoded for a target of its job. From any thread, once for each tile and target.
  void add(const TileJob& job, const TileTarget& target, const Tile& tile, std::span<const float> values,
           std::span<const std::byte> bytes) noexcept;

  /// Of a plan's quantized tensors the `count` with the lowest signal-to-noise ratio, worst first. The same
  /// for any number of threads, once all tiles were added.
  std::vector<SampledError> worst(std::size_t plan, std::size_t count) const;

 private:
  struct Sum {
    double signal = 0;
    double noise = 0;
  };
  /// Where the sums of a job's sampled tiles lie: every `stride`-th tile has one for each target.
  struct Place {
    std::size_t first = 0;
    std::uint64_t stride = 1;
    std::uint64_t pieces = 1;  ///< of a sampled tile
  };

  Sum measure(DType type, std::uint64_t pieces, std::span<const float> values,
              std::span<const std::byte> bytes) const noexcept;

  const TileQueue& queue_;
  const Backend& backend_;
  std::vector<Place> places_;  ///< of each job
  std::vector<Sum> sums_;
};

}  // namespace qtz
