#include "model/folder_file.h"

#include <algorithm>

#include "qtz/core/error.h"
#include "qtz/formats/foreign_file.h"

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

void refuse_what_is_no_json(const InputFile& file) {
  std::string first(static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), 64)), '\0');
  file.read(0, std::as_writable_bytes(std::span(first)));
  const auto text = first.find_first_not_of(" \t\r\n");
  if (text != std::string::npos && first[text] != '{' && first[text] != '[') {
    refuse_foreign(file, FileFormat::other);
  }
}

JsonValue read_folder_json(const std::filesystem::path& path, const JsonLimits& limits) {
  refuse_what_is_no_json(InputFile(path));
  return parse_json_file(path, limits);
}

std::vector<SideFile> side_files_of(const std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  constexpr std::string_view kExtensions[] = {".json", ".txt", ".model", ".jinja", ".md", ".tiktoken"};
  std::vector<fs::path> files;
  std::error_code failure;
  fs::recursive_directory_iterator at(folder, fs::directory_options::skip_permission_denied, failure), end;
  for (; !failure && at != end; at.increment(failure)) {
    std::error_code unknown;
    if (at->is_directory(unknown)) {
      if (at.depth() > 0 || at->path().filename().native().starts_with('.')) at.disable_recursion_pending();
      continue;
    }
    const std::string extension = at->path().extension().native();
    const bool says_something =
        std::find(std::begin(kExtensions), std::end(kExtensions), extension) != std::end(kExtensions);
    if (!says_something || at->path().native().ends_with(".manifest.json")) continue;
    if (at->is_regular_file(unknown)) files.push_back(at->path());
  }
  if (failure) {
    throw Error(ErrorKind::input_missing,
                "cannot list folder " + printable(folder.native()) + ": " + failure.message());
  }
  std::sort(files.begin(), files.end());
  std::vector<SideFile> side_files;
  side_files.reserve(files.size());
  for (const fs::path& file : files) side_files.push_back({file, stamp_of(file)});
  return side_files;
}

}  // namespace qtz
