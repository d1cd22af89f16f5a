#include "model/config_file.h"

#include "model/folder_file.h"
#include "qtz/core/error.h"
#include "qtz/core/input_file.h"

namespace qtz {

namespace {

/// Replaces the words outside of texts by null; true if there was one.
bool replace_words(std::string& text) {
  constexpr std::string_view kWords[] = {"NaN", "Infinity", "-Infinity"};
  std::string out;
  bool in_text = false;
  bool replaced = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!in_text) {
      std::string_view found;
      for (const std::string_view word : kWords) {
        if (text.compare(i, word.size(), word) == 0) found = word;
      }
      if (!found.empty()) {
        out += "null";
        i += found.size() - 1;
        replaced = true;
        continue;
      }
    }
    if (text[i] == '"') in_text = !in_text;
    out += text[i];
    if (in_text && text[i] == '\\' && i + 1 < text.size()) out += text[++i];
  }
  text = std::move(out);
  return replaced;
}

}  // namespace

JsonValue read_config_file(const std::filesystem::path& path, std::vector<std::string>& warnings) {
  const JsonLimits limits;
  refuse_what_is_no_json(InputFile(path));
  std::string text = read_text_file(path, limits.max_bytes);
  const std::string shown = printable(path.native());
  if (replace_words(text)) {
    warnings.push_back(shown + ": holds NaN or Infinity, which JSON does not have; read as null");
  }
  return parse_json(text, limits, shown);
}

}  // namespace qtz
