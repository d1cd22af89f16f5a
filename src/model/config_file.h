// config.json as Python writes it: JSON, except that NaN and infinities stand there as bare words.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "qtz/core/json.h"

namespace qtz {

/// Reads the file; NaN, Infinity and -Infinity become null, with a warning that names the file. Throws
/// input_missing, input_invalid.
JsonValue read_config_file(const std::filesystem::path& path, std::vector<std::string>& warnings);

}  // namespace qtz
