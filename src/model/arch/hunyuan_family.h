// What the dense and the mixed Hunyuan share.
#pragma once

#include <vector>

#include "model/arch/arch_blocks.h"

namespace qtz::arch {

/// "dynamic" scaling with an alpha: the base of the rotation that makes the longest context fit, and no
/// scaling besides. `alpha` holds where the configuration names none.
void emit_stretched_rope(ArchBuild& build, double alpha);

/// Norms of q and k per head, after the rotation.
std::vector<TensorRule> hunyuan_head_norms();

}  // namespace qtz::arch
