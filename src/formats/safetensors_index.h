// The index of a sharded safetensors model: which file is said to hold which tensor. Its names are attacker's
// text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qtz/core/input_file.h"

namespace qtz {

struct SafetensorsIndex {
  struct Entry {
    std::string tensor;
    std::uint32_t shard;  ///< index into shards
  };
  std::vector<std::string> shards;          ///< plain file names, sorted, unique
  std::vector<Entry> entries;               ///< sorted by tensor, unique
  std::optional<std::uint64_t> total_size;  ///< metadata.total_size where it is a whole number
};

/// Parses `model.safetensors.index.json`. Throws input_invalid; also for a shard name that is not a plain
/// file name.
SafetensorsIndex read_safetensors_index(const InputFile& file);

/// True for a name that stays in its folder: not empty, "." or "..", no '/', '\', ':', NUL or other control
/// bytes.
bool is_plain_file_name(std::string_view name) noexcept;

}  // namespace qtz
