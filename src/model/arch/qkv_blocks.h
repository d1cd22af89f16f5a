// Fused projections taken apart into q, k and v, for architectures that llama.cpp wants them apart of.
#pragma once

#include "qtz/model/arch_spec.h"

namespace qtz::arch {

/// q, k or v of a matrix that has all rows of q, then those of k, then those of v. Throws input_invalid for
/// another number of rows than the heads make.
TensorExprPtr query_part(TensorExprPtr input, const ArchBuild& build);
TensorExprPtr key_part(TensorExprPtr input, const ArchBuild& build);
TensorExprPtr value_part(TensorExprPtr input, const ArchBuild& build);

/// The same of a matrix whose rows are grouped by key head: its queries, then the key, then the value.
TensorExprPtr grouped_query_part(TensorExprPtr input, const ArchBuild& build);
TensorExprPtr grouped_key_part(TensorExprPtr input, const ArchBuild& build);
TensorExprPtr grouped_value_part(TensorExprPtr input, const ArchBuild& build);

}  // namespace qtz::arch
