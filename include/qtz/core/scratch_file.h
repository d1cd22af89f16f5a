// A file without a name, for what memory has no room for: it is gone when the process ends, however it ends.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

namespace qtz {

/// Where scratch files are: $TMPDIR or, where that is not set, /var/tmp, since /tmp is often memory, too.
std::filesystem::path scratch_folder();

class ScratchFile {
 public:
  /// `size` bytes of zeros, which the disk has room for. Throws resource.
  explicit ScratchFile(std::uint64_t size);
  ~ScratchFile();
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;

  std::uint64_t size() const noexcept { return size_; }

  /// All of `bytes` at `offset`; any order, any thread. Throws resource (ENOSPC, EIO, ...).
  void write(std::uint64_t offset, std::span<const std::byte> bytes);
  /// Fills `out` from `offset`; any thread. Throws resource.
  void read(std::uint64_t offset, std::span<std::byte> out) const;

 private:
  std::uint64_t size_;
  std::filesystem::path folder_;
  int fd_ = -1;
};

}  // namespace qtz
