// The three ways into open_model, and what they share.
#pragma once

#include <filesystem>
#include <memory>

#include "qtz/formats/gguf.h"
#include "qtz/formats/safetensors.h"
#include "qtz/model/gguf_model.h"

namespace qtz {

/// A hub folder: `folder` holds config.json and tokenizer, `source` the weights.
GgufModel open_folder_model(const std::filesystem::path& folder,
                            const std::shared_ptr<const SafetensorsSource>& source,
                            const ModelOptions& options);

/// Weights without a model configuration, under their own names. `name` becomes general.name.
GgufModel open_generic_model(const std::string& name, const std::shared_ptr<const SafetensorsSource>& source,
                             const ModelOptions& options);

/// A GGUF: everything carried over.
GgufModel open_gguf_model(const std::shared_ptr<const GgufSource>& source, const ModelOptions& options);

/// What every output must be able to hold: names of 1 to 63 bytes, rank 1 to 4, types GGUF has. Throws
/// input_invalid naming the tensor. Scalars become vectors of one.
void fit_to_gguf(GgufModel& model);

/// The order in which llama.cpp writes tensors: those outside blocks first, then block by block, by name.
void sort_as_llama_cpp(GgufModel& model);

/// "4x2.2M": shared weights plus one expert's, times experts; without experts just the size.
std::string size_label_of(const GgufModel& model);
std::uint64_t parameter_count(const GgufModel& model);

}  // namespace qtz
