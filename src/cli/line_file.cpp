#include "cli/line_file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstring>

#include "cli/signals.h"
#include "qtz/core/error.h"

namespace qtz::cli {
namespace {

int parse_descriptor(std::string_view flag, std::string_view target) {
  const std::string_view digits = target.substr(3);
  int fd = -1;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), fd);
  if (failure != std::errc() || end != digits.data() + digits.size() || fd < 0) {
    throw Error(ErrorKind::usage, std::string(flag) + ": '" + printable(target) + "' names no descriptor",
                "write it like fd:3, and open it in the shell: 3>events.jsonl");
  }
  const int mode = ::fcntl(fd, F_GETFL);
  if (mode < 0 || (mode & O_ACCMODE) == O_RDONLY) {
    throw Error(ErrorKind::usage,
                std::string(flag) + ": descriptor " + std::to_string(fd) + " is not open for writing",
                "open it in the shell: " + std::to_string(fd) + ">events.jsonl");
  }
  return fd;
}

[[noreturn]] void throw_unopened(std::string_view flag, const std::string& path) {
  throw Error(ErrorKind::output,
              std::string(flag) + ": " + printable(path) + " cannot be written: " + std::strerror(errno));
}

/// Whether the file is empty or begins as such files do.
bool is_of_kind(int fd, std::string_view opening) {
  std::string start(opening.size(), '\0');
  const ssize_t got = ::pread(fd, start.data(), start.size(), 0);
  return got == 0 || (got == static_cast<ssize_t>(opening.size()) && start == opening);
}

int open_path(std::string_view flag, const std::string& path, std::string_view opening,
              LineFile::Existing existing) {
  struct stat status {};
  const bool regular = ::stat(path.c_str(), &status) != 0 || S_ISREG(status.st_mode);
  // A pipe is opened for writing alone, so that its reader sees the end.
  const int fd =
      ::open(path.c_str(), O_CREAT | O_CLOEXEC | O_NOCTTY | O_APPEND | (regular ? O_RDWR : O_WRONLY), 0666);
  if (fd < 0) throw_unopened(flag, path);
  if (!regular) return fd;
  if (!is_of_kind(fd, opening)) {
    ::close(fd);
    throw Error(
        ErrorKind::output,
        std::string(flag) + ": " + printable(path) + " exists and was not made by " + std::string(flag),
        "name another file, or remove it");
  }
  if (existing == LineFile::Existing::replace && ::ftruncate(fd, 0) != 0) {
    ::close(fd);
    throw_unopened(flag, path);
  }
  return fd;
}

}  // namespace

int write_all(int fd, std::string_view text) noexcept {
  constexpr int kPatience = 100;  // milliseconds between looks at the signals
  while (!text.empty()) {
    // A reader that does not read must not keep the process from ending. What a pipe that is ready takes
    // without waiting is this much.
    pollfd ready{.fd = fd, .events = POLLOUT, .revents = 0};
    const int found = ::poll(&ready, 1, kPatience);
    if (found <= 0) {
      if (found < 0 && errno != EINTR) return errno;
      if (received_signal() != 0) return ECANCELED;
      continue;
    }
    const ssize_t written = ::write(fd, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

LineFile::LineFile(std::string_view flag, std::string target, std::string_view opening, Existing existing)
    : target_(std::move(target)) {
  if (target_ == "-") {
    fd_ = STDOUT_FILENO;
    owned_ = false;
  } else if (target_.starts_with("fd:")) {
    fd_ = parse_descriptor(flag, target_);
    owned_ = false;
  } else {
    fd_ = open_path(flag, target_, opening, existing);
  }
}

LineFile::~LineFile() {
  if (owned_) ::close(fd_);
}

bool LineFile::on_stdout() const noexcept {
  return fd_ == STDOUT_FILENO;
}

std::optional<FileIdentity> LineFile::regular_file() const noexcept {
  struct stat status {};
  if (::fstat(fd_, &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  return FileIdentity{status.st_dev, status.st_ino};
}

bool LineFile::write(std::string_view line) noexcept {
  if (failed_) return false;
  try {
    failed_ = write_all(fd_, std::string(line) + "\n") != 0;
  } catch (const std::bad_alloc&) {
    failed_ = true;
  }
  return !failed_;
}

}  // namespace qtz::cli
