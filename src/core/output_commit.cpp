// The moment at which outputs get their names: all of them, or none.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <set>

#include "output_naming.h"
#include "output_place.h"
#include "qtz/core/error.h"
#include "qtz/core/output_file.h"

namespace qtz {
namespace {

namespace fs = std::filesystem;

/// A file's way from its temporary name to its own, and the way back. What had the name before is kept under
/// a temporary name until nothing can fail any more.
class Naming {
 public:
  Naming(fs::path path, fs::path temporary, FileIdentity own, bool overwrite)
      : path_(std::move(path)), temporary_(std::move(temporary)), own_(own), overwrite_(overwrite) {}

  /// The name is free from now on.
  void set_old_aside() {
    if (!has_old()) return;
    const fs::path kept = temporary_path(path_);
    if (std::rename(path_.c_str(), kept.c_str()) != 0) fail_output("replacing", path_, errno);
    kept_ = kept;
  }

  /// The name stays where it is until the new file takes it. Without hard links the old file is not kept.
  void keep_old() {
    if (!has_old()) return;
    const fs::path kept = temporary_path(path_);
    if (::link(path_.c_str(), kept.c_str()) == 0) {
      kept_ = kept;
    } else {
      lost_ = true;
    }
  }

  void take_name() {
    const int result = overwrite_ ? std::rename(temporary_.c_str(), path_.c_str())
                                  : rename_without_replacing(temporary_, path_);
    if (result != 0) {
      if (errno == EEXIST)
        throw Error(ErrorKind::output, "output " + shown(path_) + " appeared during the run");
      fail_output("renaming to", path_, errno);
    }
    named_ = true;
  }

  /// As it was before. False if that is not possible.
  bool take_back() noexcept {
    if (named_ && is_of_another_run()) {
      drop_old();
      return true;
    }
    if (!kept_.empty()) {
      if (std::rename(kept_.c_str(), path_.c_str()) != 0) return false;
      drop_old();  // renaming one of a file's two names to the other does nothing
      return true;
    }
    return !named_ || (!lost_ && ::unlink(path_.c_str()) == 0);
  }

  /// What a person finds who looks for the file after take_back() failed.
  std::string whereabouts() const {
    return shown(path_) + (named_ ? " is new and complete" : " is gone") +
           (kept_.empty() ? "" : ", what it was before is " + shown(kept_));
  }

  void drop_old() noexcept {
    if (!kept_.empty()) ::unlink(kept_.c_str());
  }

 private:
  bool has_old() const {
    struct stat old {};
    if (!overwrite_ || ::lstat(path_.c_str(), &old) != 0) return false;
    if (S_ISDIR(old.st_mode)) fail_output("replacing", path_, EISDIR);
    return true;
  }

  bool is_of_another_run() const noexcept {
    struct stat status {};
    return ::stat(path_.c_str(), &status) == 0 && FileIdentity{status.st_dev, status.st_ino} != own_;
  }

  fs::path path_;
  fs::path temporary_;
  FileIdentity own_;
  fs::path kept_;  ///< the old file, empty if there was none or it is not kept
  bool overwrite_;
  bool named_ = false;
  bool lost_ = false;  ///< there was an old file, and it is not kept
};

/// Readers open an artifact's last file first. It must not be met beside others that are not of the same run,
/// old or new, even when the process is killed here: so the old last file goes first.
void name_artifact(std::span<Naming> files) {
  for (std::size_t file = files.size() - 1; file > 0; --file) files[file].set_old_aside();
  files[0].keep_old();
  for (Naming& file : files) file.take_name();
}

/// "; what could not be undone", empty if nothing is left of the run.
std::string take_back(std::vector<std::vector<Naming>>& artifacts) {
  std::string left;
  for (auto artifact = artifacts.rbegin(); artifact != artifacts.rend(); ++artifact) {
    for (auto file = artifact->rbegin(); file != artifact->rend(); ++file) {
      if (!file->take_back()) left += "; " + file->whereabouts();
    }
  }
  return left;
}

}  // namespace

void make_output_folder(const fs::path& folder) {
  if (::mkdir(folder.c_str(), 0777) != 0) {
    throw Error(ErrorKind::output, shown(folder) + ": the folder cannot be created: " + std::strerror(errno),
                "create it, or name another one");
  }
  try {
    sync_folder(folder_of(folder));
  } catch (...) {
    ::rmdir(folder.c_str());
    throw;
  }
}

void commit_together(const std::vector<std::vector<OutputFile*>>& artifacts) {
  std::vector<std::vector<Naming>> namings;
  std::set<fs::path> folders;
  for (const auto& artifact : artifacts) {
    QTZ_CHECK(!artifact.empty());
    namings.emplace_back();
    for (OutputFile* file : artifact) {
      file->sync();
      file->copy_mode_of_old();
      namings.back().emplace_back(file->path_, file->temporary_, file->identity(), file->options_.overwrite);
      folders.insert(folder_of(file->path_));
    }
  }

  const StopSignalsHeld held;
  try {
    for (auto& artifact : namings) name_artifact(artifact);
    // Open until here: the lock keeps other runs from taking the temporary file for a left-over.
    for (const auto& artifact : artifacts) {
      for (OutputFile* file : artifact) file->close();
    }
    for (const fs::path& folder : folders) sync_folder(folder);
  } catch (const Error& error) {
    const std::string left = take_back(namings);
    throw Error(error.kind(), error.message() + left, error.hint());
  } catch (...) {
    take_back(namings);
    throw;
  }
  for (const auto& artifact : artifacts) {
    for (OutputFile* file : artifact) file->committed_ = true;
  }
  for (auto& artifact : namings) {
    for (Naming& file : artifact) file.drop_old();
  }
}

}  // namespace qtz
