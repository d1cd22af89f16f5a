// NVFP4 weights that go into the file as they are: blocks under the weight's name, and beside them the
// factors that llama.cpp multiplies the product with, under ".scale" and ".input_scale".
#pragma once

#include <string>
#include <string_view>

#include "qtz/model/arch_spec.h"

namespace qtz {

/// Whether llama.cpp's graph of the architecture multiplies with the scale of this output tensor
/// ("blk.0.attn_q.weight"). Without that its blocks would be read as numbers of another size.
bool reads_scale(std::string_view arch, std::string_view target);

/// Adds the scales of all tensors of `build` that are kept blocks: F32, one number, or for stacked experts
/// one for each. As the converter does it, those that are 1 are left out. Reads these few numbers. Returns
/// what became of the NVFP4 weights as a note, empty if there are none.
std::string add_scales(ArchBuild& build);

}  // namespace qtz
