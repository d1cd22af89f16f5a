#include "rule_lines.h"

#include <algorithm>
#include <string>

#include "qtz/core/error.h"
#include "qtz/core/input_file.h"

namespace qtz {
namespace {

constexpr std::uint64_t kMostBytes = 16u << 20;

std::string_view without_comment(std::string_view line) {
  for (std::size_t at = 0; at < line.size(); ++at) {
    if (line[at] == '#' && (at == 0 || line[at - 1] == ' ' || line[at - 1] == '\t'))
      return line.substr(0, at);
  }
  return line;
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const auto first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

void for_rule_lines(const std::filesystem::path& path, const std::function<void(std::string_view line)>& fn) {
  const std::string text = read_text_file_or_pipe(path, kMostBytes);
  std::string_view rest = text;
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (rest.starts_with(kByteOrderMark)) rest.remove_prefix(kByteOrderMark.size());
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const auto end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = trimmed(without_comment(rest.substr(0, end)));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.empty()) continue;
    try {
      fn(line);
    } catch (Error& error) {
      error.add_context(printable(path.native()) + ":" + std::to_string(number));
      throw;
    }
  }
}

}  // namespace qtz
