#include "output_place.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "qtz/core/error.h"

namespace qtz {

namespace fs = std::filesystem;

std::string shown(const fs::path& path) {
  return printable(path.native());
}

void fail_output(const std::string& doing, const fs::path& path, int error) {
  std::string hint;
  if (error == ENOSPC || error == EDQUOT) hint = "free some space or choose another folder";
  const bool too_many_files = error == EMFILE || error == ENFILE;
  if (too_many_files) hint = "raise the limit of open files (ulimit -n), or make fewer outputs in one run";
  throw Error(too_many_files ? ErrorKind::resource : ErrorKind::output,
              doing + " " + shown(path) + ": " + std::strerror(error), hint);
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

std::string temporary_prefix(const fs::path& path) {
  constexpr std::size_t kRoom = 255 - 40;
  return "." + path.filename().native().substr(0, kRoom) + ".qtz-";
}

fs::path temporary_path(const fs::path& path) {
  static std::atomic<unsigned> counter{0};
  return folder_of(path) /
         (temporary_prefix(path) + std::to_string(::getpid()) + "-" + std::to_string(counter++) + ".tmp");
}

}  // namespace qtz
