// Reading a regular file exactly: opened once, read by position, never mapped, so that a file that shrinks,
// changes or fails under us is an Error and not a signal.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace qtz {

/// Who a file is, whatever its name.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  bool operator==(const FileIdentity&) const = default;
};

/// What tells a file from another one, or from what it was before somebody wrote to it.
struct FileStamp {
  FileIdentity identity;
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  bool operator==(const FileStamp&) const = default;
};

class InputFile {
 public:
  /// Opens `path` for reading. Throws input_missing when it does not exist or may not be read, input_invalid
  /// when it is not a regular file (a folder, a FIFO, a device). Symbolic links are followed.
  explicit InputFile(std::filesystem::path path);
  ~InputFile();
  InputFile(InputFile&&) noexcept;
  InputFile& operator=(InputFile&&) noexcept;
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }
  std::uint64_t size() const noexcept { return stamp_.size; }
  FileIdentity identity() const noexcept { return stamp_.identity; }
  /// At opening.
  const FileStamp& stamp() const noexcept { return stamp_; }

  /// Reads exactly out.size() bytes at `offset`, retrying short reads and EINTR. Thread-safe.
  /// Throws input_invalid when the file ends before that, input_missing on an I/O error.
  void read(std::uint64_t offset, std::span<std::byte> out) const;

  /// Throws input_invalid if size or modification time differ from those at opening.
  void check_unchanged() const;

 private:
  std::filesystem::path path_;
  int fd_ = -1;
  FileStamp stamp_;
};

/// The whole content of a small file. Throws input_invalid when it is larger than `limit` bytes or changes
/// meanwhile.
std::string read_text_file(const std::filesystem::path& path, std::uint64_t limit);

/// The same for a file that a person named, which may be a pipe too: "<(command)", a FIFO. Waits for its
/// writer, so it is not for files that merely lie in a folder.
std::string read_text_file_or_pipe(const std::filesystem::path& path, std::uint64_t limit);

/// Of whatever has that name, without opening it. Throws input_missing.
FileStamp stamp_of(const std::filesystem::path& path);

/// What is said of a file that is not what it was when the run began with it.
[[noreturn]] void fail_as_changed(const std::filesystem::path& path);

}  // namespace qtz
