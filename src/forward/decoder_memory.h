// How much memory a decoder needs beside the states, at the most: sums over the shapes of its tensors.
#pragma once

#include "forward/graph.h"
#include "forward/weights.h"
#include "qtz/forward/decoder.h"

namespace qtz {

/// Tokens of short texts that are run at a time; of longer texts one is.
constexpr std::uint64_t kTokensAtATime = 2048;

/// Rows of the output's weights that a thread multiplies with at a time.
constexpr std::uint64_t kOutputRows = 512;

DecoderMemory memory_of(const Graph& graph, const Weights& weights, const Batch& batch, unsigned threads);

}  // namespace qtz
