#include "pipeline/forward_budget.h"

#include <algorithm>
#include <limits>

#include "qtz/core/memory.h"
#include "qtz/core/parallel.h"

namespace qtz {

namespace {

/// What a run touches for the first time: code, the BLAS library, small vectors.
constexpr std::uint64_t kRunBytes = 12 << 20;

/// The BLAS library's buffer for packed operands, and a thread's heap.
constexpr std::uint64_t kThreadBytes = 6 << 20;

std::uint64_t memory_of(std::span<Decoder* const> decoders, const Batch& batch, const ForwardNeed& need,
                        unsigned threads) {
  std::uint64_t layers = 0;
  std::uint64_t logits = 0;
  for (const Decoder* decoder : decoders) {
    const DecoderMemory memory = decoder->memory(batch, threads);
    layers = std::max(layers, memory.layer + memory.piece);
    logits = std::max(logits, memory.output);
  }
  logits += need.logit_rows * decoders.front()->vocabulary() * sizeof(float);
  return kRunBytes + threads * kThreadBytes + need.rest + std::max(layers, logits);
}

}  // namespace

ForwardBudget share_memory(std::span<Decoder* const> decoders, const Batch& batch, const ForwardNeed& need,
                           unsigned threads, std::uint64_t max_memory, Progress& progress) {
  const std::uint64_t held = resident_bytes();
  const std::uint64_t limit =
      max_memory > 0 ? max_memory
                     : held + available_bytes().value_or(std::numeric_limits<std::uint64_t>::max() / 2);
  const unsigned wanted = resolve_threads(threads);
  unsigned fitting = wanted;
  std::uint64_t bytes = held + memory_of(decoders, batch, need, fitting);
  while (fitting > 1 && bytes > limit) bytes = held + memory_of(decoders, batch, need, --fitting);
  require_memory(bytes, max_memory);
  if (fitting < wanted) {
    progress.warn("memory leaves room for " + std::to_string(fitting) + " of " + std::to_string(wanted) +
                  " threads");
  }
  const std::uint64_t left = limit - std::min(limit, bytes);
  const StatePlace place = need.states <= left / 2 ? StatePlace::memory : StatePlace::scratch_file;
  const std::uint64_t kept = left - (place == StatePlace::memory ? need.states : 0);
  for (Decoder* decoder : decoders) decoder->set_threads(fitting);
  return {fitting, place, kept};
}

}  // namespace qtz
