// Applying an architecture's tensor table to the stored tensors: every stored tensor is used, skipped with a
// reason, or the reason of an Error; every tensor the architecture needs is there.
#pragma once

#include "qtz/model/arch_spec.h"

namespace qtz {

/// Fills build.tensors and build.skipped. Throws input_invalid naming layers, experts and tensors.
void apply_tensor_rules(ArchBuild& build, const ArchSpec& spec);

/// The stored name as the tables know it, without the parts that wrap a language model in a larger one.
std::string canonical_name(std::string_view stored_name);
/// "model.visual." of "model.visual.blocks.0.norm1.weight"; empty for names that do not tell of a vision or
/// audio part.
std::string_view other_part(std::string_view stored_name);
/// canonical_name, renamed as the architecture asks for.
std::string table_name(const ArchSpec& spec, const ModelConfig& config, std::string_view stored_name);

}  // namespace qtz
