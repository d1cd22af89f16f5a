#include "output_naming.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>

#include "output_place.h"
#include "qtz/core/error.h"
#include "qtz/core/output_file.h"
#include "qtz/core/text.h"
#include "retry.h"

namespace qtz {
namespace {

namespace fs = std::filesystem;

// Readable from a signal handler: a slot is either null or points to a C string that stays valid until the
// slot is null again.
constexpr std::size_t kSlots = 1024;
std::array<std::atomic<const char*>, kSlots> live_temporaries{};

}  // namespace

StopSignalsHeld::StopSignalsHeld() noexcept {
  sigset_t stop;
  ::sigemptyset(&stop);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&stop, number);
  ::pthread_sigmask(SIG_BLOCK, &stop, &before_);
}

StopSignalsHeld::~StopSignalsHeld() {
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

int rename_without_replacing(const fs::path& from, const fs::path& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return -1;
  if (::link(from.c_str(), to.c_str()) != 0) return -1;
  ::unlink(from.c_str());
  return 0;
}

void sync_folder(const fs::path& folder) {
  const int fd = uninterrupted([&] { return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (fd < 0 && errno == EACCES) return;  // a folder to drop files into, which may not be listed
  if (fd < 0) fail_output("opening folder", folder, errno);
  const int result = uninterrupted([&] { return ::fsync(fd); });
  const int error = errno;
  ::close(fd);
  // Some network file systems cannot sync a folder.
  if (result != 0 && error != EINVAL && error != ENOTSUP) fail_output("syncing folder", folder, error);
}

void remember_temporary(const char* name) noexcept {
  for (auto& slot : live_temporaries) {
    const char* empty = nullptr;
    if (slot.compare_exchange_strong(empty, name)) return;
  }
}

void forget_temporary(const char* name) noexcept {
  for (auto& slot : live_temporaries) {
    const char* expected = name;
    if (slot.compare_exchange_strong(expected, nullptr)) return;
  }
}

void remove_temporary_files() noexcept {
  for (auto& slot : live_temporaries) {
    const char* name = slot.load();
    if (name != nullptr && ::unlink(name) == 0) slot.store(nullptr);
  }
  for (auto& slot : live_temporaries) {  // folders, which are empty now
    if (const char* name = slot.exchange(nullptr)) ::rmdir(name);
  }
}

void check_space(const std::string& need, std::uint64_t size, const fs::path& folder) {
  const std::optional<std::uint64_t> free_bytes = free_space(folder);
  if (!free_bytes || size <= *free_bytes) return;
  throw Error(
      ErrorKind::output,
      need + format_bytes(size) + " but " + shown(folder) + " has " + format_bytes(*free_bytes) + " free",
      "free some space or choose another folder");
}

}  // namespace qtz
