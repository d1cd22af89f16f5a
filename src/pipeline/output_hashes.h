// Hashes of what a run writes, taken while it writes: of each tensor, and of each file from its header to its
// end. A hash needs its bytes in order, so a worker that comes early waits until those before it have been
// hashed; as tiles are handed out in file order, never for long, and nothing is kept or read again.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "qtz/pipeline/plan.h"
#include "tiles.h"

namespace qtz {

class OutputHashes {
 public:
  /// `queue` is what the tiles are handed out from; the plans must outlive this.
  OutputHashes(std::span<const QuantPlan> plans, const TileQueue& queue);
  ~OutputHashes();

  /// As TileWorker::Writer::write, from any thread.
  void write(const TileTarget& target, std::uint64_t at, std::span<const std::byte> bytes);

  /// The run has failed: nobody waits any more, and there will be no hashes.
  void abandon() noexcept;

  struct OfPlan {
    std::vector<std::string> files;    ///< as QuantPlan::files
    std::vector<std::string> tensors;  ///< as QuantPlan::entries
  };
  /// Once everything has been written.
  std::vector<OfPlan> finish();

 private:
  class Stream;
  std::span<const QuantPlan> plans_;
  std::vector<std::vector<std::unique_ptr<Stream>>> streams_;  ///< of each plan, of each file
};

}  // namespace qtz
