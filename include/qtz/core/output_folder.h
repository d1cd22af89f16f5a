// A folder that appears under its final name complete or not at all: made beside it under a temporary name
// and exchanged for it. Destroyed without being committed, it leaves nothing behind.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "qtz/core/output_file.h"

namespace qtz {

class OutputFolder {
 public:
  /// Checks as check_output_folder_possible() does, then makes the folder under a temporary name. Throws
  /// output.
  OutputFolder(std::filesystem::path path, std::uint64_t size, const OutputOptions& options);
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }

  /// A new file of the folder, of `size` bytes. `name` is a plain name. Throws output.
  OutputFile& add(const std::string& name, std::uint64_t size);
  void add(const std::string& name, std::span<const std::byte> contents);

  /// fsync of everything, then the folder takes its name. What had the name is removed after that. Throws
  /// output, and then everything is as before.
  void commit();

 private:
  void lock();
  void take_name();

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  OutputOptions options_;
  std::vector<std::unique_ptr<OutputFile>> files_;
  int fd_ = -1;  ///< locked, so that other runs do not take the folder for a left-over
  bool committed_ = false;
};

/// What has the name may be an empty folder or, with options.overwrite, a model's folder: one that holds
/// config.json and nothing but files, none of them protected. Nothing is created. Throws output.
void check_output_folder_possible(const std::filesystem::path& path, std::uint64_t size,
                                  const OutputOptions& options);

}  // namespace qtz
