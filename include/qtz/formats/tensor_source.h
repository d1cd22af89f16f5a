// Where tensors are stored: a safetensors file, a sharded folder, a GGUF. Reading is by position, exact,
// thread-safe.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "qtz/core/dtype.h"
#include "qtz/core/input_file.h"
#include "qtz/core/shape.h"

namespace qtz {

/// One stored tensor. Size and shape were checked against each other and against the file when it was opened.
struct TensorInfo {
  std::string name;
  DType dtype;
  Shape shape;           ///< outermost first
  std::uint64_t offset;  ///< of its first byte in the file
  std::uint64_t bytes;
  std::uint32_t shard;  ///< index into TensorSource::files()
};

class TensorSource {
 public:
  virtual ~TensorSource() = default;

  /// All tensors, in file order, shard after shard. Names are unique.
  virtual std::span<const TensorInfo> tensors() const = 0;
  virtual std::span<const InputFile> files() const = 0;

  /// nullptr if there is no tensor of that name.
  const TensorInfo* find(std::string_view name) const;

  /// Reads exactly out.size() bytes of the tensor's data starting at byte `at`. Throws as InputFile::read,
  /// with the tensor's name. The range must lie inside the tensor (QTZ_CHECK).
  void read(const TensorInfo& tensor, std::uint64_t at, std::span<std::byte> out) const;

 protected:
  /// Sorts the names of tensors() so that find() is a binary search, and throws input_invalid if one occurs
  /// twice. Called once by a source whose tensors are complete; without it find() walks the list.
  void index_names();

 private:
  std::vector<std::uint32_t> by_name_;
};

}  // namespace qtz
