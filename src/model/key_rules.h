// Turning a configuration into "<arch>.*" keys by an architecture's table.
#pragma once

#include <span>

#include "qtz/model/arch_spec.h"

namespace qtz {

/// Applies the rules in order; a later rule replaces the value of an earlier one. Throws input_invalid naming
/// the missing or malformed field.
void apply_key_rules(ArchBuild& build, std::span<const KeyRule> rules);

}  // namespace qtz
