#include "qtz/core/scratch_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "qtz/core/error.h"
#include "qtz/core/text.h"
#include "retry.h"

namespace qtz {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void fail(const std::string& doing, const fs::path& folder, int error) {
  throw Error(ErrorKind::resource,
              doing + " a scratch file in " + printable(folder.native()) + ": " + std::strerror(error),
              "TMPDIR names another folder for it");
}

int open_without_name(const fs::path& folder) {
  const int fd = uninterrupted([&] { return ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600); });
  if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return fd;
  // A file system without such files: one with a name, which is taken away at once.
  std::string name = (folder / "qtz-XXXXXX").native();
  const int named = uninterrupted([&] { return ::mkostemp(name.data(), O_CLOEXEC); });
  if (named >= 0) ::unlink(name.c_str());
  return named;
}

}  // namespace

fs::path scratch_folder() {
  const char* const wanted = std::getenv("TMPDIR");
  return wanted != nullptr && *wanted != '\0' ? fs::path(wanted) : fs::path("/var/tmp");
}

ScratchFile::ScratchFile(std::uint64_t size) : size_(size), folder_(scratch_folder()) {
  fd_ = open_without_name(folder_);
  if (fd_ < 0) fail("cannot open", folder_, errno);
  const auto length = static_cast<off_t>(size_);
  if (size_ == 0 || uninterrupted([&] { return ::fallocate(fd_, 0, 0, length); }) == 0) return;
  const bool unsupported = errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL;
  if (unsupported && uninterrupted([&] { return ::ftruncate(fd_, length); }) == 0) return;
  const int error = errno;
  ::close(fd_);
  fail("reserving " + format_bytes(size_) + " for", folder_, error);
}

ScratchFile::~ScratchFile() {
  ::close(fd_);
}

void ScratchFile::write(std::uint64_t offset, std::span<const std::byte> bytes) {
  QTZ_CHECK(offset <= size_ && bytes.size() <= size_ - offset);
  while (!bytes.empty()) {
    const ssize_t put = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      fail("writing", folder_, errno);
    }
    offset += static_cast<std::uint64_t>(put);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
}

void ScratchFile::read(std::uint64_t offset, std::span<std::byte> out) const {
  QTZ_CHECK(offset <= size_ && out.size() <= size_ - offset);
  while (!out.empty()) {
    const ssize_t got = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got <= 0) fail("reading", folder_, got < 0 ? errno : EIO);
    offset += static_cast<std::uint64_t>(got);
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

}  // namespace qtz
