// What the RWKV generations share.
#pragma once

#include <initializer_list>
#include <string_view>

#include "model/arch/arch_blocks.h"

namespace qtz::arch {

/// Keys that llama.cpp wants of every RWKV, whose context has no limit and which has no attention heads.
void set_endless_context(ArchBuild& build);

/// Puts the tensors "blk.<layer>.time_mix_lerp_<part>.weight" of each layer one after another as
/// "time_mix_lerp_fused" [parts, 1, 1, size].
void fuse_lerps(ArchBuild& build, std::initializer_list<std::string_view> parts);

/// A tensor in which one of the axes alone is longer than one, as a vector.
TensorExprPtr as_vector(TensorExprPtr input, const ArchBuild& build);

}  // namespace qtz::arch
