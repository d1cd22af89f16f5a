#include "model/folder_file.h"

#include "qtz/core/error.h"
#include "qtz/core/input_file.h"

namespace qtz {

bool has_file(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  const auto fail = [&](ErrorKind kind, const std::string& problem) {
    throw Error(kind, printable(path.native()) + " " + problem,
                "qtz would leave out what the file says; repair it, or remove it if it is not needed");
  };
  std::error_code error;
  const fs::file_status entry = fs::symlink_status(path, error);
  if (entry.type() == fs::file_type::not_found) return false;
  const fs::file_status file = fs::status(path, error);
  if (file.type() == fs::file_type::not_found) fail(ErrorKind::input_missing, "is a link to nothing");
  if (!fs::status_known(file)) fail(ErrorKind::input_missing, "cannot be read: " + error.message());
  if (!fs::is_regular_file(file)) fail(ErrorKind::input_invalid, "is not a regular file");
  return true;
}

std::string read_folder_text(const std::filesystem::path& path, std::uint64_t limit) {
  std::string text = read_text_file(path, limit);
  if (text.starts_with("version https://git-lfs")) {
    throw Error(ErrorKind::input_invalid,
                printable(path.native()) + " is a Git LFS pointer, not the file itself",
                "fetch the real file with 'git lfs pull'");
  }
  return text;
}

}  // namespace qtz
