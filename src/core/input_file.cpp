#include "qtz/core/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "qtz/core/checked.h"
#include "qtz/core/error.h"
#include "qtz/core/text.h"
#include "retry.h"

namespace qtz {
namespace {

std::string shown(const std::filesystem::path& path) {
  return printable(path.native());
}

FileStamp stamp_from(const struct stat& status) {
  return {{status.st_dev, status.st_ino},
          static_cast<std::uint64_t>(status.st_size),
          static_cast<std::int64_t>(status.st_mtim.tv_sec) * 1'000'000'000 + status.st_mtim.tv_nsec};
}

[[noreturn]] void fail_to_open(const std::filesystem::path& path, int error) {
  const bool too_many_files = error == EMFILE || error == ENFILE;
  throw Error(too_many_files ? ErrorKind::resource : ErrorKind::input_missing,
              "cannot open " + shown(path) + ": " + std::strerror(error));
}

}  // namespace

InputFile::InputFile(std::filesystem::path path) : path_(std::move(path)) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer before we can refuse it.
  fd_ = uninterrupted([&] { return ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); });
  if (fd_ < 0) fail_to_open(path_, errno);
  struct stat status {};
  if (::fstat(fd_, &status) != 0) {
    const int error = errno;
    ::close(fd_);
    fail_to_open(path_, error);
  }
  if (!S_ISREG(status.st_mode)) {
    ::close(fd_);
    throw WrongFile(shown(path_) + " is not a regular file");
  }
  stamp_ = stamp_from(status);
}

InputFile::~InputFile() {
  if (fd_ >= 0) ::close(fd_);
}

InputFile::InputFile(InputFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), stamp_(other.stamp_) {}

InputFile& InputFile::operator=(InputFile&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    path_ = std::move(other.path_);
    fd_ = std::exchange(other.fd_, -1);
    stamp_ = other.stamp_;
  }
  return *this;
}

void InputFile::read(std::uint64_t offset, std::span<std::byte> out) const {
  const auto end = checked_add(offset, out.size());
  if (!end || *end > size()) {
    throw Error(ErrorKind::input_invalid, shown(path_) + ": needs " + std::to_string(out.size()) +
                                              " bytes at offset " + std::to_string(offset) +
                                              " but the file has only " + std::to_string(size()));
  }
  while (!out.empty()) {
    const ssize_t got = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      throw Error(ErrorKind::input_missing, "reading " + shown(path_) + ": " + std::strerror(errno));
    }
    if (got == 0) {
      throw Error(
          ErrorKind::input_invalid,
          shown(path_) + " became shorter while it was read (ends at byte " + std::to_string(offset) + ")");
    }
    offset += static_cast<std::uint64_t>(got);
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

void InputFile::check_unchanged() const {
  struct stat status {};
  if (::fstat(fd_, &status) != 0) {
    throw Error(ErrorKind::input_missing, "cannot stat " + shown(path_) + ": " + std::strerror(errno));
  }
  if (stamp_from(status) != stamp_) fail_as_changed(path_);
}

namespace {

bool is_pipe(const std::filesystem::path& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISFIFO(status.st_mode);
}

std::string read_pipe(const std::filesystem::path& path, std::uint64_t limit) {
  const int fd = uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY); });
  if (fd < 0) fail_to_open(path, errno);
  std::string text;
  char buffer[1u << 14];
  ssize_t got = 0;
  int error = 0;
  do {
    got = ::read(fd, buffer, sizeof buffer);
    error = errno;
    if (got > 0) text.append(buffer, static_cast<std::size_t>(got));
  } while ((got > 0 && text.size() <= limit) || (got < 0 && error == EINTR));
  ::close(fd);
  if (got < 0) {
    throw Error(ErrorKind::input_missing, "reading " + shown(path) + ": " + std::strerror(error));
  }
  if (text.size() > limit) {
    throw Error(ErrorKind::input_invalid,
                shown(path) + " gives more than the " + format_bytes(limit) + " that are read");
  }
  return text;
}

}  // namespace

std::string read_text_file_or_pipe(const std::filesystem::path& path, std::uint64_t limit) {
  return is_pipe(path) ? read_pipe(path, limit) : read_text_file(path, limit);
}

FileStamp stamp_of(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) fail_to_open(path, errno);
  return stamp_from(status);
}

void fail_as_changed(const std::filesystem::path& path) {
  throw Error(ErrorKind::input_invalid, shown(path) + " was changed while it was read",
              "run again when it is complete");
}

std::string read_text_file(const std::filesystem::path& path, std::uint64_t limit) {
  const InputFile file(path);
  if (file.size() > limit) {
    throw Error(ErrorKind::input_invalid, shown(path) + " has " + format_bytes(file.size()) + "; at most " +
                                              format_bytes(limit) + " are read");
  }
  std::string text(file.size(), '\0');
  file.read(0, std::as_writable_bytes(std::span(text)));
  file.check_unchanged();
  return text;
}

}  // namespace qtz
