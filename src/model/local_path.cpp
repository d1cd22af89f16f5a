#include "model/local_path.h"

namespace qtz {

namespace {

/// "C:x"; but "A: a title" is text.
bool has_drive(std::string_view text) noexcept {
  if (text.size() < 2 || text[1] != ':') return false;
  const bool letter = (text[0] >= 'a' && text[0] <= 'z') || (text[0] >= 'A' && text[0] <= 'Z');
  return letter && (text.size() == 2 || text[2] != ' ');
}

}  // namespace

bool is_local_path(std::string_view text) noexcept {
  constexpr std::string_view kStarts = "/.~$";
  if (text.empty()) return false;
  return kStarts.find(text[0]) != std::string_view::npos || text.find('\\') != std::string_view::npos ||
         has_drive(text) || text.starts_with("file:");
}

}  // namespace qtz
