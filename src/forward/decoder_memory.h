// How much memory a decoder needs beside the states, at the most: sums over the shapes of its tensors.
#pragma once

#include "forward/graph.h"
#include "forward/weights.h"
#include "qtz/forward/decoder.h"

namespace qtz {

/// Rows of the output's weights that a thread multiplies with at a time.
constexpr std::uint64_t kOutputRows = 512;

/// `at_a_time`: DecoderOptions::batch.
DecoderMemory memory_of(const Graph& graph, const Weights& weights, const Batch& batch,
                        std::uint64_t at_a_time, unsigned threads);

}  // namespace qtz
