// The table of architectures that can be run: what of a graph is not in a model's keys.
#pragma once

#include <span>
#include <string_view>

#include "forward/graph.h"
#include "forward/graph_keys.h"

namespace qtz {

/// What an architecture knows better than the keys, done last.
using Adapt = void (*)(Graph&, const Keys&);

struct GraphRow {
  std::string_view arch;
  NormKind norm;
  RopeKind rope;
  Activation activation;
  Adapt adapt;
};

std::span<const GraphRow> graph_rows() noexcept;

/// Throws input_invalid when the largest number of elements that are turned is odd or more than a head has.
void require_rope_fits(const LayerGraph& layer);

}  // namespace qtz
