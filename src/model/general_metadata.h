// The general.* keys: authorship from the model card, names and sizes from the configuration and the folder,
// sampler hints from generation_config.json, a person's overrides. As llama.cpp's converter works them out.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "qtz/core/json.h"
#include "qtz/formats/gguf.h"

namespace qtz {

struct GeneralSources {
  std::optional<std::filesystem::path> folder;         ///< with README.md, generation_config.json
  const JsonValue* config = nullptr;                   ///< config.json, for _name_or_path
  std::string fallback_name;                           ///< folder or file name: the name of last resort
  std::optional<std::string> model_name;               ///< --model-name
  std::optional<std::filesystem::path> metadata_file;  ///< --metadata
  std::uint64_t parameters = 0;                        ///< decides which size in a name is meant
  std::string size_label;                              ///< used when no name or card has one
};

/// Sets general.* keys (but not architecture, type, file_type, quantization_version). What a card or
/// a generation_config.json says oddly is left out with a warning; one that is there but cannot be read is an
/// Error, as is a bad --metadata file.
void add_general_metadata(KvList& keys, const GeneralSources& sources, std::vector<std::string>& warnings);

/// Only --metadata and --model-name, over what is there already (GGUF inputs).
void apply_metadata_overrides(KvList& keys, const GeneralSources& sources);

/// The name a folder goes by: its own, or "Org/Name" for a snapshot in a hub cache.
std::string folder_model_id(const std::filesystem::path& folder);

}  // namespace qtz
