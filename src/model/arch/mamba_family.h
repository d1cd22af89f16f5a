// What state-space models and hybrids share: the tensors of a Mamba mixer, whatever they are called.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "qtz/model/arch_spec.h"

namespace qtz::arch {

/// Mamba 1 mixer under the given prefix: "backbone.layers.{L}.mixer." or "model.layers.{L}.mamba.". The
/// prefix must be a literal: tables keep views of static text, so each prefix has a table of its own.
enum class MixerNames { backbone, layer };
std::vector<TensorRule> mamba_mixer(MixerNames names);
/// Mamba 2 mixer; its norm is optional and seen as [groups, width].
std::vector<TensorRule> mamba2_mixer(MixerNames names);

/// Sizes of a Mamba 2 mixer by the names any configuration has for them.
std::uint64_t mamba2_inner_size(const ModelConfig& config);
std::uint64_t mamba2_groups(const ModelConfig& config);

/// conv_kernel, inner_size, state_size, time_step_rank, group_count.
void emit_mamba2_sizes(ArchBuild& build);

/// An output stored although it repeats the embedding is left out.
void drop_repeated_output(ArchBuild& build);

}  // namespace qtz::arch
