// What the Gemmas with an embedding per layer share.
#pragma once

#include <vector>

#include "qtz/model/arch_spec.h"

namespace qtz::arch {

/// Per-layer embeddings and their projections, where a model has them.
std::vector<TensorRule> per_layer_embeddings();

}  // namespace qtz::arch
