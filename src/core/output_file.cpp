#include "qtz/core/output_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <utility>

#include "output_naming.h"
#include "output_place.h"
#include "qtz/core/checked.h"
#include "qtz/core/error.h"
#include "qtz/core/text.h"
#include "retry.h"

namespace qtz {
namespace {

namespace fs = std::filesystem;

/// So many written bytes later the kernel is asked again to start writing them out.
constexpr std::uint64_t kWritebackStep = 8u << 20;

/// Removes what a killed run left for the same output: temporary files that nobody holds a lock on.
void remove_stale_temporaries(const fs::path& path) {
  const std::string prefix = temporary_prefix(path);
  DIR* folder = ::opendir(folder_of(path).c_str());
  if (folder == nullptr) return;
  while (const dirent* entry = ::readdir(folder)) {
    const std::string_view name = entry->d_name;
    if (!name.starts_with(prefix) || !name.ends_with(".tmp")) continue;
    const int fd = ::openat(::dirfd(folder), entry->d_name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) continue;
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) ::unlinkat(::dirfd(folder), entry->d_name, 0);
    ::close(fd);
  }
  ::closedir(folder);
}

}  // namespace

std::optional<std::uint64_t> free_space(const fs::path& folder) noexcept {
  struct statvfs space {};
  if (uninterrupted([&] { return ::statvfs(folder.c_str(), &space); }) != 0) return std::nullopt;
  return checked_mul(space.f_bavail, space.f_frsize);
}

void check_output_possible(const fs::path& path, std::uint64_t size, const OutputOptions& options) {
  if (path.filename().empty() || path.filename() == "." || path.filename() == "..") {
    throw Error(ErrorKind::output, "output '" + shown(path) + "' is not a file name");
  }
  const fs::path folder = folder_of(path);
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0) fail_output("output folder", folder, errno);
  if (!S_ISDIR(status.st_mode))
    throw Error(ErrorKind::output, "output folder " + shown(folder) + " is not a folder");
  if (::access(folder.c_str(), W_OK | X_OK) != 0) fail_output("output folder", folder, errno);

  if (::stat(path.c_str(), &status) == 0) {
    const FileIdentity identity{status.st_dev, status.st_ino};
    if (std::find(options.protect.begin(), options.protect.end(), identity) != options.protect.end()) {
      throw Error(ErrorKind::output, "output " + shown(path) + " is an input or a log of this run",
                  "choose another name");
    }
    if (!S_ISREG(status.st_mode)) {
      throw Error(ErrorKind::output, "output " + shown(path) + " exists and is not a regular file");
    }
    if (!options.overwrite) {
      throw Error(ErrorKind::output, "output " + shown(path) + " exists", "--force replaces it");
    }
  } else if (errno != ENOENT) {
    fail_output("output", path, errno);
  } else if (::lstat(path.c_str(), &status) == 0) {
    throw Error(ErrorKind::output, "output " + shown(path) + " exists and is a symbolic link to nothing");
  }

  check_space("output " + shown(path) + " needs ", size, folder);
}

void check_outputs_possible(std::span<const WantedOutput> outputs, const OutputOptions& options) {
  struct Together {
    fs::path folder;
    std::uint64_t size = 0;
    std::size_t count = 0;
  };
  std::map<dev_t, Together> by_device;
  for (const WantedOutput& output : outputs) {
    check_output_possible(output.path, output.size, options);
    const fs::path folder = folder_of(output.path);
    struct stat status {};
    if (::stat(folder.c_str(), &status) != 0) fail_output("output folder", folder, errno);
    Together& together = by_device[status.st_dev];
    together.folder = folder;
    together.size = checked_add(together.size, output.size).value_or(~std::uint64_t{0});
    ++together.count;
  }
  for (const auto& [device, together] : by_device) {
    check_space(std::to_string(together.count) + " outputs together need ", together.size, together.folder);
  }
}

OutputFile::OutputFile(fs::path path, std::uint64_t size, const OutputOptions& options)
    : path_(std::move(path)), size_(size), options_(options) {
  check_output_possible(path_, size_, options_);
  remove_stale_temporaries(path_);
  for (int attempt = 0; fd_ < 0; ++attempt) {
    temporary_ = temporary_path(path_);
    remember_temporary(temporary_.c_str());  // before it is there: a signal may come right after
    fd_ = uninterrupted([&] {
      return ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    });
    if (fd_ < 0) {
      const int error = errno;
      forget_temporary(temporary_.c_str());
      if (error != EEXIST || attempt > 100) fail_output("cannot create", path_, error);
      continue;
    }
    // Tells other runs that this temporary file is alive. One that is looking for left-overs may have it now,
    // for a moment: wait for what it does.
    uninterrupted([&] { return ::flock(fd_, LOCK_EX); });
    struct stat own {};
    if (::fstat(fd_, &own) == 0 && own.st_nlink == 0) {
      // Between open and flock another run took it for a left-over: start again under another name.
      ::close(fd_);
      fd_ = -1;
      forget_temporary(temporary_.c_str());
    }
  }
  // Reserve the space now, so that a full disk is found before the work and not after it.
  const auto size_now = static_cast<off_t>(size_);
  if (size_ > 0 && uninterrupted([&] { return ::fallocate(fd_, 0, 0, size_now); }) != 0) {
    const bool unsupported = errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL;
    if (!unsupported || uninterrupted([&] { return ::ftruncate(fd_, size_now); }) != 0) {
      const int error = errno;
      ::close(fd_);
      ::unlink(temporary_.c_str());
      forget_temporary(temporary_.c_str());
      fail_output("reserving " + format_bytes(size_) + " for", path_, error);
    }
  }
}

OutputFile::~OutputFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!committed_) ::unlink(temporary_.c_str());
  forget_temporary(temporary_.c_str());
}

void OutputFile::write(std::uint64_t offset, std::span<const std::byte> bytes) {
  QTZ_CHECK(offset <= size_ && bytes.size() <= size_ - offset);
  QTZ_CHECK(!synced_);
  const std::uint64_t before = written_.fetch_add(bytes.size(), std::memory_order_relaxed);
  const std::uint64_t after = before + bytes.size();
  while (!bytes.empty()) {
    const ssize_t put = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      fail_output("writing", path_, errno);
    }
    offset += static_cast<std::uint64_t>(put);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  // Let the disk work while we do; else all of it would wait for commit(). Only a hint: errors show in fsync.
  if (before / kWritebackStep != after / kWritebackStep) {
    ::sync_file_range(fd_, 0, 0, SYNC_FILE_RANGE_WRITE);
  }
}

void OutputFile::sync() {
  QTZ_CHECK(!committed_);
  if (!synced_ && uninterrupted([&] { return ::fsync(fd_); }) != 0) fail_output("syncing", path_, errno);
  synced_ = true;
}

FileIdentity OutputFile::identity() const {
  struct stat own {};
  if (::fstat(fd_, &own) != 0) fail_output("looking at", path_, errno);
  return {own.st_dev, own.st_ino};
}

void OutputFile::copy_mode_of_old() {
  struct stat old {};
  if (!options_.overwrite || ::stat(path_.c_str(), &old) != 0) return;
  if (::fchmod(fd_, old.st_mode & 07777) != 0) fail_output("setting permissions of", path_, errno);
}

void OutputFile::close() {
  // Some file systems say only here that they could not keep what was written. After EINTR it is closed too.
  if (::close(std::exchange(fd_, -1)) != 0 && errno != EINTR) fail_output("closing", path_, errno);
}

void OutputFile::commit() {
  commit_together({{this}});
}

}  // namespace qtz
