// Opening one file of a model that lies in many.
#pragma once

#include <cstdint>
#include <filesystem>

#include "qtz/core/input_file.h"

namespace qtz {

/// Throws as InputFile does; where the process may not open more files, the hint says how many the model has.
InputFile open_shard(const std::filesystem::path& path, std::uint64_t shards);

}  // namespace qtz
