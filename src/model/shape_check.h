// Whether the output tensors have the shapes that the keys beside them promise: what llama.cpp checks when it
// loads the file is checked before the file is written.
#pragma once

#include <optional>
#include <string>

#include "qtz/model/arch_spec.h"

namespace qtz {

/// The shape that the keys in `build` ask of the output tensor `name`; empty when the table does not know the
/// tensor or leaves a dimension open.
std::optional<Shape> expected_shape(const ArchBuild& build, const std::string& name);

/// Compares every output tensor with the table in shape_check.cpp, and tensors the table does not know with
/// the same tensor of the other layers. Runs when keys and tensors are complete. Throws input_invalid naming
/// the stored tensor, its shape, the shape asked for and the configuration's fields that ask for it.
void check_shapes(const ArchBuild& build);

}  // namespace qtz
