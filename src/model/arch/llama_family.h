// Steps that Llama's relatives share with it.
#pragma once

#include "qtz/model/arch_spec.h"

namespace qtz::arch {

/// num_key_value_heads and head_dim as Llama's own configuration class works them out.
void fill_in_heads(ModelConfig& config);

}  // namespace qtz::arch
