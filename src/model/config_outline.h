// The tensors a model will have, from its configuration and its architecture's tables alone: names and
// shapes without weights.
#pragma once

#include "qtz/model/arch_spec.h"

namespace qtz {

/// Fills build.tensors with expressions that have a shape and a type and cannot be read. Keys must be
/// complete. `weights` is the type of what is stored in 16 bits. Throws input_invalid naming every part whose
/// presence or shape the configuration leaves open.
void outline_tensors(ArchBuild& build, const ArchSpec& spec, DType weights);

}  // namespace qtz
