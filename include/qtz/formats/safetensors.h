// Reading safetensors: one file, or a sharded model by its index. As strict as the format's reference
// implementation, and stricter where that lets two readers disagree (duplicate names).
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "qtz/formats/tensor_source.h"

namespace qtz {

/// Opens `path`: a .safetensors file, a *.safetensors.index.json, or a folder. In a folder an index wins,
/// then model.safetensors, then a lone .safetensors file of any name, then a complete set
/// STEM-00001-of-0000N.safetensors. Symbolic links are followed (one that leaves the folder and is not the
/// hub cache's own is warned of), but a shard *name* in an index must be a plain file name. Every tensor of
/// the index must be in its shard and the other way round. The tensors of a file tile its data without hole,
/// overlap or rest. Refused although the format allows it: more than 2^20 tensors, 2^16 metadata entries or
/// 64 dimensions, rows of sub-byte types that end inside a byte, and products of dimensions that overflow
/// beside a dimension of 0. Throws input_missing, input_invalid (with what a wrong file really is: LFS
/// pointer, HTML page, pickle ...); resource when there are more shards than open files are allowed.
class SafetensorsSource final : public TensorSource {
 public:
  explicit SafetensorsSource(const std::filesystem::path& path);

  std::span<const TensorInfo> tensors() const override { return tensors_; }
  std::span<const InputFile> files() const override { return files_; }

  /// `__metadata__` of the first file, in order.
  const std::vector<std::pair<std::string, std::string>>& metadata() const noexcept { return metadata_; }
  /// Things that are odd but not wrong (an index whose total_size is off), for the caller to show.
  const std::vector<std::string>& warnings() const noexcept { return warnings_; }

 private:
  std::vector<InputFile> files_;
  std::vector<TensorInfo> tensors_;
  std::vector<std::pair<std::string, std::string>> metadata_;
  std::vector<std::string> warnings_;
};

}  // namespace qtz
