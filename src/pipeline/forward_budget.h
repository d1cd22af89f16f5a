// How models are run within --max-memory: with how many threads, where their states are, how much of the
// weights is kept.
#pragma once

#include <cstdint>
#include <span>

#include "qtz/core/progress.h"
#include "qtz/forward/decoder.h"

namespace qtz {

/// What a run needs beside what its decoders say.
struct ForwardNeed {
  std::uint64_t states = 0;      ///< bytes of all states that are there at a time
  std::uint64_t logit_rows = 0;  ///< rows of logits that are there at a time, of all models together
  std::uint64_t rest = 0;        ///< bytes
};

struct ForwardBudget {
  unsigned threads;
  StatePlace place;
  std::uint64_t kept;  ///< bytes of weights beside those that are needed at a time
};

/// Without a limit what the machine has left is one, that is not insisted on. Sets the decoders' threads.
/// They are run one after the other. Throws resource when one thread has no room.
ForwardBudget share_memory(std::span<Decoder* const> decoders, const Batch& batch, const ForwardNeed& need,
                           unsigned threads, std::uint64_t max_memory, Progress& progress);

}  // namespace qtz
