#include "qtz/core/output_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "output_naming.h"
#include "output_place.h"
#include "qtz/core/error.h"
#include "retry.h"

namespace qtz {
namespace {

namespace fs = std::filesystem;

/// Removes a folder and the files in it, and nothing below that.
void remove_flat_folder(const fs::path& path) noexcept {
  if (DIR* folder = ::opendir(path.c_str()); folder != nullptr) {
    while (const dirent* entry = ::readdir(folder)) ::unlinkat(::dirfd(folder), entry->d_name, 0);
    ::closedir(folder);
  }
  ::rmdir(path.c_str());
}

/// Removes what a killed run left for the same output: temporary folders that nobody holds a lock on.
void remove_stale_folders(const fs::path& path) {
  const std::string prefix = temporary_prefix(path);
  const fs::path parent = folder_of(path);
  DIR* folder = ::opendir(parent.c_str());
  if (folder == nullptr) return;
  while (const dirent* entry = ::readdir(folder)) {
    const std::string name = entry->d_name;
    if (!name.starts_with(prefix) || !name.ends_with(".tmp")) continue;
    const int fd = ::openat(::dirfd(folder), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) continue;
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) remove_flat_folder(parent / name);
    ::close(fd);
  }
  ::closedir(folder);
}

/// What lies in a folder that is to be replaced.
void check_replaceable(const fs::path& path, const OutputOptions& options) {
  DIR* folder = ::opendir(path.c_str());
  if (folder == nullptr) fail_output("looking into", path, errno);
  bool is_empty = true, is_model = false, is_flat = true, is_protected = false;
  while (const dirent* entry = ::readdir(folder)) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    is_empty = false;
    is_model = is_model || name == "config.json";
    struct stat status {};
    if (::fstatat(::dirfd(folder), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    is_flat = is_flat && !S_ISDIR(status.st_mode);
    if (::fstatat(::dirfd(folder), entry->d_name, &status, 0) != 0) continue;
    const FileIdentity identity{status.st_dev, status.st_ino};
    is_protected = is_protected || std::find(options.protect.begin(), options.protect.end(), identity) !=
                                       options.protect.end();
  }
  ::closedir(folder);
  if (is_empty) return;
  if (is_protected) {
    throw Error(ErrorKind::output,
                "output " + shown(path) + " is a folder with an input or a log of this run",
                "choose another name");
  }
  if (!options.overwrite)
    throw Error(ErrorKind::output, "output " + shown(path) + " exists", "--force replaces it");
  if (!is_model || !is_flat) {
    throw Error(ErrorKind::output,
                "output " + shown(path) + " exists and " +
                    (is_model ? "has folders in it" : "is no model's folder (it has no config.json)") +
                    ", so it is not replaced",
                "remove it, or choose another name");
  }
}

}  // namespace

void check_output_folder_possible(const fs::path& path, std::uint64_t size, const OutputOptions& options) {
  if (path.filename().empty() || path.filename() == "." || path.filename() == "..") {
    throw Error(ErrorKind::output, "output '" + shown(path) + "' is not a name for a folder");
  }
  const fs::path parent = folder_of(path);
  struct stat status {};
  if (::stat(parent.c_str(), &status) != 0) fail_output("output folder", parent, errno);
  if (!S_ISDIR(status.st_mode))
    throw Error(ErrorKind::output, "output folder " + shown(parent) + " is not a folder");
  if (::access(parent.c_str(), W_OK | X_OK) != 0) fail_output("output folder", parent, errno);
  if (::lstat(path.c_str(), &status) == 0) {
    if (!S_ISDIR(status.st_mode)) {
      throw Error(ErrorKind::output, "output " + shown(path) + " exists and is not a folder",
                  "a folder is written: remove it, or choose another name");
    }
    check_replaceable(path, options);
  } else if (errno != ENOENT) {
    fail_output("output", path, errno);
  }
  check_space("output " + shown(path) + " needs ", size, parent);
}

OutputFolder::OutputFolder(fs::path path, std::uint64_t size, const OutputOptions& options)
    : path_(std::move(path)), options_(options) {
  if (path_.filename().empty()) path_ = path_.parent_path();  // "name/"
  check_output_folder_possible(path_, size, options_);
  remove_stale_folders(path_);
  lock();
}

/// Makes the folder and locks it. One that is looking for left-overs may remove it in between.
void OutputFolder::lock() {
  for (int attempt = 0; fd_ < 0; ++attempt) {
    temporary_ = temporary_path(path_);
    remember_temporary(temporary_.c_str());
    int error = 0;
    if (::mkdir(temporary_.c_str(), 0777) != 0) {
      error = errno;
    } else {
      fd_ = uninterrupted(
          [&] { return ::open(temporary_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW); });
      if (fd_ >= 0) {
        uninterrupted([&] { return ::flock(fd_, LOCK_EX); });
        struct stat own {};
        if (::fstat(fd_, &own) == 0 && own.st_nlink > 0) return;
        ::close(std::exchange(fd_, -1));
      }
      error = ENOENT;
    }
    forget_temporary(temporary_.c_str());
    if ((error != EEXIST && error != ENOENT) || attempt > 100) fail_output("cannot create", path_, error);
  }
}

OutputFolder::~OutputFolder() {
  files_.clear();
  if (!committed_) remove_flat_folder(temporary_);
  if (fd_ >= 0) ::close(fd_);
  forget_temporary(temporary_.c_str());
}

OutputFile& OutputFolder::add(const std::string& name, std::uint64_t size) {
  files_.push_back(std::make_unique<OutputFile>(temporary_ / name, size, OutputOptions{}));
  return *files_.back();
}

void OutputFolder::add(const std::string& name, std::span<const std::byte> contents) {
  add(name, contents.size()).write(0, contents);
}

void OutputFolder::commit() {
  QTZ_CHECK(!committed_);
  check_output_folder_possible(path_, 0, options_);  // it may have come into being while we worked
  std::vector<OutputFile*> files;
  for (const auto& file : files_) {
    file->sync();  // the long part, which a signal may end
    files.push_back(file.get());
  }
  const StopSignalsHeld held;
  if (!files.empty()) commit_together({files});
  sync_folder(temporary_);
  take_name();
  committed_ = true;
  sync_folder(folder_of(path_));
}

void OutputFolder::take_name() {
  // The new one is there in the same step in which the old one goes.
  struct stat old {};
  if (::lstat(path_.c_str(), &old) != 0) {
    if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) == 0) return;
    const bool cannot = errno == EINVAL || errno == ENOSYS;
    if (errno == EEXIST)
      throw Error(ErrorKind::output, "output " + shown(path_) + " appeared during the run");
    // rename() itself replaces nothing but an empty folder.
    if (!cannot || std::rename(temporary_.c_str(), path_.c_str()) != 0)
      fail_output("renaming to", path_, errno);
    return;
  }
  if (std::rename(temporary_.c_str(), path_.c_str()) == 0) return;  // an empty folder was there
  if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), RENAME_EXCHANGE) == 0) {
    remove_flat_folder(temporary_);
    return;
  }
  const fs::path kept = temporary_path(path_);
  if (std::rename(path_.c_str(), kept.c_str()) != 0) fail_output("replacing", path_, errno);
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int error = errno;
    std::rename(kept.c_str(), path_.c_str());
    fail_output("renaming to", path_, error);
  }
  remove_flat_folder(kept);
}

}  // namespace qtz
