// What the fuzzer gives, as files that the readers open: qtz reads from files alone.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "qtz/core/error.h"

namespace qtz::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// A file in memory, gone with the object.
class MemoryFile {
 public:
  MemoryFile(const std::uint8_t* data, std::size_t size);
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  int fd_;
  std::filesystem::path path_;
};

/// A folder for the files that readers look for beside each other. Lives as long as the process.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::filesystem::path& path() const noexcept { return path_; }
  void write(std::string_view name, std::string_view text) const;
  /// A file of the demo model under its own name.
  void link_demo(std::string_view name) const;

 private:
  std::filesystem::path path_;
};

/// Runs a reader. Errors are what it is for; another exception, or an error without a message, is a find.
template <typename Read>
void attempt(Read read) {
  try {
    read();
  } catch (const Error& error) {
    if (error.message().empty()) std::abort();
  }
}

}  // namespace qtz::fuzz
