#include "model/name_pattern.h"

namespace qtz {

namespace {

constexpr std::size_t kHole = 3;  // length of "{L}"

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::optional<std::uint64_t> take_number(std::string_view& name) {
  std::size_t digits = 0;
  std::uint64_t value = 0;
  while (digits < name.size() && is_digit(name[digits])) {
    if (digits == 9) return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(name[digits] - '0');
    ++digits;
  }
  if (digits == 0 || (digits > 1 && name[0] == '0')) return std::nullopt;
  name.remove_prefix(digits);
  return value;
}

std::optional<NameMatch> match_from(std::string_view pattern, std::string_view name) {
  NameMatch match;
  while (!pattern.empty()) {
    if (pattern == "*") return match;
    if (pattern[0] != '{') {
      const std::string_view text = pattern.substr(0, pattern.find_first_of("{*"));
      if (!name.starts_with(text)) return std::nullopt;
      pattern.remove_prefix(text.size());
      name.remove_prefix(text.size());
      continue;
    }
    const char hole = pattern[1];
    pattern.remove_prefix(kHole);
    if (hole == 'W') {
      for (const std::string_view kind : {std::string_view("weight"), std::string_view("bias")}) {
        if (name.starts_with(kind)) match.kind = kind;
      }
      if (match.kind.empty()) return std::nullopt;
      name.remove_prefix(match.kind.size());
      continue;
    }
    const auto number = take_number(name);
    if (!number) return std::nullopt;
    auto& slot = hole == 'L' ? match.layer : match.index;
    if (slot && *slot != *number) return std::nullopt;
    slot = number;
  }
  if (!name.empty()) return std::nullopt;
  return match;
}

}  // namespace

std::optional<NameMatch> match_name(std::string_view pattern, std::string_view name) {
  if (!pattern.starts_with('*')) return match_from(pattern, name);
  pattern.remove_prefix(1);
  for (std::size_t start = 0; start <= name.size(); ++start) {
    if (const auto match = match_from(pattern, name.substr(start))) return match;
  }
  return std::nullopt;
}

std::string fill_name(std::string_view pattern, const NameMatch& match) {
  std::string out;
  while (!pattern.empty()) {
    const auto brace = pattern.find('{');
    out += pattern.substr(0, brace);
    if (brace == std::string_view::npos) break;
    const char hole = pattern[brace + 1];
    if (hole == 'L') out += std::to_string(match.layer.value_or(0));
    if (hole == 'E' || hole == 'N') out += std::to_string(match.index.value_or(0));
    if (hole == 'W') out += match.kind.empty() ? std::string_view("weight") : match.kind;
    pattern.remove_prefix(brace + kHole);
  }
  return out;
}

}  // namespace qtz
