// GGUF version 3: a strict reader (versions 2 and 3) and the exact header bytes of a file to be written.
// Layout: ggml docs/gguf.md. Dimensions are reversed at this border: Shape is outermost first, GGUF innermost
// first.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "qtz/formats/gguf_value.h"
#include "qtz/formats/tensor_source.h"

namespace qtz {

inline constexpr std::uint32_t kGgufVersion = 3;
inline constexpr std::uint32_t kGgufDefaultAlignment = 32;
/// What a header is padded to; far above any page size, so that a few bytes cannot ask for gigabytes.
inline constexpr std::uint32_t kGgufMaxAlignment = 1u << 20;
inline constexpr std::size_t kGgufMaxNameBytes = 63;
inline constexpr std::size_t kGgufMaxRank = 4;

/// An opened GGUF: a TensorSource with metadata. Given the first shard of a split file, opens all of them;
/// given another shard, the error names the first. The first shard's metadata is the model's; what a later
/// one says otherwise is refused, what it says beyond is left out with a warning. Everything is checked
/// before it is believed: counts, lengths and products against the file size, duplicate names and keys,
/// types, contiguous offsets, data inside the file. Bytes after the last tensor are tolerated as llama.cpp
/// does, with a warning; the padding of the last tensor may be missing. Throws input_missing, input_invalid;
/// resource when a split file needs more open files than allowed.
class GgufSource final : public TensorSource {
 public:
  explicit GgufSource(const std::filesystem::path& path);

  std::span<const TensorInfo> tensors() const override { return tensors_; }
  std::span<const InputFile> files() const override { return files_; }
  /// As stored, without the split.* keys: files() says how many shards there are.
  const KvList& metadata() const noexcept { return metadata_; }
  std::uint32_t version() const noexcept { return version_; }
  std::uint32_t alignment() const noexcept { return alignment_; }
  /// Things that are odd but not wrong (bytes after the data, keys of later shards), for the caller to show.
  const std::vector<std::string>& warnings() const noexcept { return warnings_; }

 private:
  std::vector<InputFile> files_;
  std::vector<TensorInfo> tensors_;
  KvList metadata_;
  std::vector<std::string> warnings_;
  std::uint32_t version_ = kGgufVersion;
  std::uint32_t alignment_ = kGgufDefaultAlignment;
};

/// One tensor of a GGUF to be written.
struct GgufTensor {
  std::string name;  ///< 1 to 63 bytes, unique
  DType dtype;       ///< must have a ggml number
  Shape shape;       ///< rank 0 to 4 (0 is written as [1]); the last dimension is whole blocks
};

/// Where everything of a GGUF to be written lies: the complete header, and each tensor's absolute offset and
/// size.
struct GgufLayout {
  std::vector<std::byte> header;       ///< everything before the tensor data, padded
  std::vector<std::size_t> tensors;    ///< which of the given tensors this file holds, in file order
  std::vector<std::uint64_t> offsets;  ///< absolute, parallel to `tensors`
  std::vector<std::uint64_t> sizes;    ///< unpadded data bytes, parallel to `tensors`
  std::uint64_t file_bytes = 0;  ///< total; the last tensor is padded too (with zeros, as between tensors)
};

/// One file with all tensors in the given order. The alignment is general.alignment if the metadata has it,
/// else 32. Pure. Throws input_invalid for keys, names, ranks, types or sizes GGUF cannot hold, and for an
/// alignment that is no power of two up to kGgufMaxAlignment.
GgufLayout make_gguf_layout(const KvList& metadata, std::span<const GgufTensor> tensors);

}  // namespace qtz
