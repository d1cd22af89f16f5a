// The header of one GGUF file: parsed in bounded pieces, and checked against the file until every tensor's
// bytes are certain. Stricter than ggml where that lets two readers disagree: NUL in keys and names, empty
// tensor names.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "qtz/core/input_file.h"
#include "qtz/formats/gguf_value.h"
#include "qtz/formats/tensor_source.h"

namespace qtz {

struct GgufHeader {
  std::uint32_t version = 0;
  std::uint32_t alignment = 0;
  KvList metadata;
  std::vector<TensorInfo> tensors;   ///< offsets are the file's; shard is as given; names may still repeat
  std::uint64_t trailing_bytes = 0;  ///< of the file, after the last tensor and its padding
};

/// Bounds that no honest file meets.
inline constexpr std::uint64_t kGgufMaxKeys = 1u << 16;
inline constexpr std::uint64_t kGgufMaxTensors = 1u << 20;
inline constexpr std::uint64_t kGgufMaxKeyBytes = 65535;
inline constexpr std::uint64_t kGgufMaxStringBytes = 64u << 20;
inline constexpr std::uint64_t kGgufMaxMetadataMemory = 1u << 29;

/// Reads and checks everything but the uniqueness of tensor names. Throws input_invalid with file, key or
/// tensor.
GgufHeader read_gguf_header(const InputFile& file, std::uint32_t shard);

}  // namespace qtz
