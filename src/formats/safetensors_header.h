// The header of one safetensors file: parsed, and checked against the file until every tensor's bytes are
// certain.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "qtz/core/input_file.h"
#include "qtz/formats/tensor_source.h"

namespace qtz {

using TextPairs = std::vector<std::pair<std::string, std::string>>;

struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;  ///< in file order; shard is as given; names may still repeat
  TextPairs metadata;               ///< `__metadata__`, in order
};

/// Bounds that no honest file meets, so that a hostile header cannot cost much more memory than its own size.
inline constexpr std::uint64_t kSafetensorsMaxHeaderBytes = 100'000'000;  ///< the format's own limit
inline constexpr std::size_t kSafetensorsMaxTensors = 1u << 20;
inline constexpr std::size_t kSafetensorsMaxMetadata = 1u << 16;
inline constexpr std::size_t kSafetensorsMaxRank = 64;

/// Reads and checks everything but the uniqueness of tensor names. Throws input_invalid with file and tensor.
SafetensorsHeader read_safetensors_header(const InputFile& file, std::uint32_t shard);

}  // namespace qtz
