// A file that appears under its final name complete or not at all: written under a temporary name in the same
// folder, synced, renamed, folder synced. Destroyed without being committed, it leaves nothing behind.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "qtz/core/input_file.h"

namespace qtz {

struct OutputOptions {
  bool overwrite = false;             ///< replace an existing file at commit (--force)
  std::vector<FileIdentity> protect;  ///< inputs: never written over, even with overwrite
};

/// Makes a folder for outputs, whose own name is as safe from a loss of power as theirs. Throws output.
void make_output_folder(const std::filesystem::path& folder);

class OutputFile {
 public:
  /// Reserves the output: checks the folder, the name, existing files and the free space for `size` bytes,
  /// then opens the temporary file at its full size. Throws output, resource when too many files are open.
  /// The final name must not exist unless options.overwrite.
  OutputFile(std::filesystem::path path, std::uint64_t size, const OutputOptions& options);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }
  std::uint64_t size() const noexcept { return size_; }

  /// Writes all of `bytes` at `offset`, any order, any thread; the kernel starts writing to disk soon after.
  /// Throws output (ENOSPC, EIO, ...).
  void write(std::uint64_t offset, std::span<const std::byte> bytes);

  /// fsync, ahead of commit(): with several files, so that none gets its name before all are on disk. No
  /// write may follow. Throws output.
  void sync();

  /// commit_together() of this file alone.
  void commit();

 private:
  friend void commit_together(const std::vector<std::vector<OutputFile*>>& artifacts);
  FileIdentity identity() const;
  void copy_mode_of_old();
  void close();

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  std::uint64_t size_ = 0;
  OutputOptions options_;
  std::atomic<std::uint64_t> written_{0};
  int fd_ = -1;
  bool synced_ = false;
  bool committed_ = false;
};

/// Bytes that may still be written in that folder; nullopt where the system does not tell.
std::optional<std::uint64_t> free_space(const std::filesystem::path& folder) noexcept;

/// Gives the files of a run their names: fsync of all, rename to the final names, fsync of the folders. After
/// it returns they are durable. Throws output, and then everything is as before: no new file has its name,
/// replaced ones have theirs again; where that cannot be had, the message says what is found under which
/// name.
///
/// The files of an artifact get their names in the order given, and the one that readers open comes last. Of
/// several files the old ones go before the new ones come, so that a process killed in between leaves an
/// artifact without its last file rather than a mixture; a single file is replaced in one step.
void commit_together(const std::vector<std::vector<OutputFile*>>& artifacts);

/// The checks of OutputFile's constructor without creating anything, for plans and before long reads.
void check_output_possible(const std::filesystem::path& path, std::uint64_t size,
                           const OutputOptions& options);

/// A file that is to be written.
struct WantedOutput {
  std::filesystem::path path;
  std::uint64_t size = 0;
};

/// The same for all the files of a run: each must be possible, and those on one file system must fit
/// together.
void check_outputs_possible(std::span<const WantedOutput> outputs, const OutputOptions& options);

/// Removes the temporary files of all live OutputFiles; async-signal-safe. For a second SIGINT and fatal
/// exits.
void remove_temporary_files() noexcept;

}  // namespace qtz
