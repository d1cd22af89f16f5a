// Which parts a model of a class has by its configuration alone: the alternatives and optional tensors of
// the architectures' tables, decided without weights. What all architectures share is here; an architecture's
// own rows (ArchSpec::parts) come first.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "qtz/model/arch_spec.h"

namespace qtz {

/// Whether a layer has routed experts: counts, leading dense layers, lists and steps of the configuration.
bool layer_has_experts(const ModelConfig& config, std::uint64_t layer);

/// The first of `num_nextn_predict_layers` layers for multi-token prediction; block_count() if there is none.
std::uint64_t first_prediction_layer(const ModelConfig& config);

/// The kind of a layer in "layer_types", "layers_block_type" or the like; empty past the list's end.
std::string layer_type(const ModelConfig& config, std::uint64_t layer);

/// Answers for rows of ArchSpec::parts.
bool always(const ModelConfig& config, std::uint64_t layer);
bool never(const ModelConfig& config, std::uint64_t layer);

/// The answer of the first row of the architecture for `what`, an output tensor's name or an alternative; and
/// of those that all architectures share. Empty if there is none.
std::optional<bool> own_answer(const ArchSpec& spec, const ModelConfig& config, std::string_view what,
                               std::uint64_t layer);
std::optional<bool> common_answer(const ModelConfig& config, std::string_view what, std::uint64_t layer);

}  // namespace qtz
