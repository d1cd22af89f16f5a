// What T5 and its encoder alone share.
#pragma once

#include <vector>

#include "model/arch/arch_blocks.h"

namespace qtz::arch {

std::vector<KeyRule> t5_keys();
std::vector<TensorRule> t5_encoder_tensors();
std::vector<PartRule> t5_parts();

/// One embedding serves encoder and decoder; checkpoints store it under up to three names, of which one is
/// taken.
void choose_shared_embedding(ArchSpec& spec, const TensorSource& source);

/// Throws input_invalid when the first layer has no relative positions, which all layers use.
void need_relative_positions(ArchBuild& build);

}  // namespace qtz::arch
