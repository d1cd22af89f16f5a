// The first and the last steps of making a model from a configuration, with weights or without.
#pragma once

#include <string>
#include <vector>

#include "model/general_metadata.h"
#include "qtz/model/arch_spec.h"
#include "qtz/model/gguf_model.h"

namespace qtz {

/// The architecture of --arch or of the configuration's class; warns when one overrides the other. Throws
/// input_invalid when neither names one that is known.
ArchSpec choose_architecture(const ModelConfig& config, const ModelOptions& options,
                             std::vector<std::string>& warnings);

/// Moves tensors, keys, warnings and what was skipped from `build` into `model`: storage types, llama.cpp's
/// order, the general.* keys. `general` says where those come from; its config, name, size and metadata file
/// are filled in here.
void complete_model(GgufModel& model, ArchBuild& build, const ArchSpec& spec, const ModelOptions& options,
                    DType sixteen_bit, GeneralSources general);

}  // namespace qtz
