// What giving an output its name is made of, for files and folders.
#pragma once

#include <signal.h>

#include <filesystem>

namespace qtz {

/// Keeps a second SIGINT from ending the process between two names. What comes meanwhile is delivered at the
/// end.
class StopSignalsHeld {
 public:
  StopSignalsHeld() noexcept;
  ~StopSignalsHeld();
  StopSignalsHeld(const StopSignalsHeld&) = delete;
  StopSignalsHeld& operator=(const StopSignalsHeld&) = delete;

 private:
  sigset_t before_{};
};

/// rename that refuses to replace; on file systems without that, a hard link does the same for a file. 0, or
/// -1 and errno.
int rename_without_replacing(const std::filesystem::path& from, const std::filesystem::path& to);

/// Throws output.
void sync_folder(const std::filesystem::path& folder);

/// Temporary names that remove_temporary_files() removes: files, and folders that are empty by then. `name`
/// must stay where it is until it is forgotten.
void remember_temporary(const char* name) noexcept;
void forget_temporary(const char* name) noexcept;

/// Throws output when the file system of `folder` has fewer than `size` bytes free; `need` is "X needs ".
void check_space(const std::string& need, std::uint64_t size, const std::filesystem::path& folder);

}  // namespace qtz
