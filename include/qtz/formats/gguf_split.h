// Split GGUF files as llama.cpp names and marks them: STEM-00001-of-00003.gguf, keys split.no, split.count
// and split.tensors.count in every shard, all other metadata in the first.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "qtz/formats/gguf.h"

namespace qtz {

inline constexpr std::string_view kSplitNoKey = "split.no";
inline constexpr std::string_view kSplitCountKey = "split.count";
inline constexpr std::string_view kSplitTensorsKey = "split.tensors.count";
inline constexpr std::uint32_t kMaxSplits = 65535;  ///< split.count is a u16

/// The parts of "STEM-00002-of-00003.gguf": index counts from 0.
struct SplitName {
  std::string stem;
  std::uint32_t index = 0;
  std::uint32_t count = 0;
  bool operator==(const SplitName&) const = default;
};

/// "STEM-00001-of-00003.gguf" for index 0 of 3. index < count <= kMaxSplits (QTZ_CHECK).
std::string split_file_name(std::string_view stem, std::uint32_t index, std::uint32_t count);

/// Empty when `file_name` is not a shard's name (exactly as split_file_name writes it).
std::optional<SplitName> parse_split_file_name(std::string_view file_name);

/// One layout per shard; tensor i goes to shard shard_of_tensor[i], in the order given. Shard 0 carries the
/// metadata and the split keys, the others the split keys alone and the default alignment, as llama-quantize
/// --keep-split writes them. The number of shards is the largest index + 1; a single shard is
/// make_gguf_layout's file, without split keys. Split keys already in `metadata` are replaced. Pure. Throws
/// as make_gguf_layout, and when there are too many shards.
std::vector<GgufLayout> make_gguf_split_layouts(const KvList& metadata, std::span<const GgufTensor> tensors,
                                                std::span<const std::uint32_t> shard_of_tensor);

}  // namespace qtz
