// --mtp: what becomes of the layers that predict further tokens (multi-token prediction).
#pragma once

#include "qtz/model/arch_spec.h"
#include "qtz/model/gguf_model.h"

namespace qtz {

/// Makes of configuration, specification and build what `choice` asks for: prediction layers counted as
/// layers, or left out, or all layers but them left out. Throws usage when the model has none or llama.cpp's
/// converter does not do that with models of this class.
void settle_prediction_layers(ArchSpec& spec, ModelConfig& config, ArchBuild& build, PredictionLayers choice);

/// Throws usage when `choice` says anything: `what` has no configuration that tells of prediction layers.
void refuse_prediction_choice(PredictionLayers choice, std::string_view what);

/// Whether an output tensor that belongs to no layer stays in a file of prediction layers alone: the
/// embedding, the output and its norm.
bool serves_prediction(std::string_view target);

}  // namespace qtz
