// Names of outputs: the default one, and what -o means for one and for several types.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qtz::cli {

/// Throws usage for ways to name a stream instead of a file: outputs are written by position and then
/// renamed.
void refuse_stream(std::string_view what, std::string_view flag, std::string_view output);

/// The name a model goes by: its folder's, also for an index or a weights file beside a config.json, else the
/// file's without its extension and, for a GGUF, its shard number. In a hub cache
/// (models--ORG--NAME/snapshots/HASH) it is NAME.
std::string model_label(const std::filesystem::path& input);

/// One path per type name. Without `output`: "<prefix><label>-<TYPE>.gguf" in the working directory. A folder
/// (existing, or ending in a slash, or any name without ".gguf" when there are several types) holds the
/// default names; "{type}" is replaced. Throws usage when several types would share a file.
std::vector<std::filesystem::path> output_names(const std::filesystem::path& input, const std::string& output,
                                                std::span<const std::string_view> types,
                                                std::string_view prefix = {});

}  // namespace qtz::cli
