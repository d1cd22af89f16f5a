// Mistral's own format: params.json beside consolidated.safetensors, instead of config.json.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "qtz/core/json.h"

namespace qtz {

/// The class that stands for this format among the architectures.
inline constexpr std::string_view kMistralFormatClass = "MistralFormat";

/// The file that describes the model in `folder`: config.json, or params.json where that alone is there;
/// empty when there is neither.
std::filesystem::path model_config_path(const std::filesystem::path& folder);

/// Reads either of them; a params.json gets kMistralFormatClass for its class. Warnings and errors as of
/// read_config_file.
JsonValue read_model_config(const std::filesystem::path& path, std::vector<std::string>& warnings);

}  // namespace qtz
