// Notices a Qwen3 reranker. It is published as an ordinary Qwen3ForCausalLM; only names and the model card
// give it away, and llama.cpp's converter makes another kind of file of it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "qtz/core/json.h"

namespace qtz {

/// The warning for a folder of the architecture `arch` that its name, "_name_or_path" or model card calls a
/// reranker, by the converter's signs (conversion of Qwen3Model); empty for others. `folder_name` is the name
/// the folder goes by.
std::optional<std::string> reranker_warning(std::string_view arch, const std::filesystem::path& folder,
                                            std::string_view folder_name, const JsonValue& config);

}  // namespace qtz
