// Whether the keys of a converted model are those that llama.cpp cannot do without, with values it can use.
#pragma once

#include "qtz/model/arch_spec.h"

namespace qtz {

/// Runs when keys and tensors are complete. Throws input_invalid naming the configuration's field: a key that
/// llama.cpp requires is missing, a number is not finite in single precision, a norm's epsilon is not
/// positive.
void check_keys(const ArchBuild& build);

}  // namespace qtz
