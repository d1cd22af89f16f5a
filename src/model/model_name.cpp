#include "model/model_name.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <vector>

#include "qtz/core/text.h"

namespace qtz {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_alpha(char c) {
  return is_lower(c) || is_upper(c);
}
bool is_word(char c) {
  return is_alpha(c) || is_digit(c) || c == '_';
}

/// Reads along a text, one grammar piece after another; `rest` empty at the end means the whole text matched.
struct Cursor {
  std::string_view rest;

  bool take(char c) {
    if (rest.empty() || rest[0] != c) return false;
    rest.remove_prefix(1);
    return true;
  }
  bool take(std::string_view text) {
    if (!rest.starts_with(text)) return false;
    rest.remove_prefix(text.size());
    return true;
  }
  bool take_digits() {
    std::size_t count = 0;
    while (count < rest.size() && is_digit(rest[count])) ++count;
    rest.remove_prefix(count);
    return count > 0;
  }
  bool at_end() const { return rest.empty(); }
};

/// "v1.2", "iter3", "20240501"
bool is_version(std::string_view lower) {
  Cursor at{lower};
  if (!at.take("iter")) at.take('v');
  if (!at.take_digits()) return false;
  while (at.take('.')) {
    if (!at.take_digits()) return false;
  }
  return at.at_end();
}

/// "q4_k_m", "iq2_xs", "bf16", "f32"
bool is_type_name(std::string_view lower) {
  Cursor quant{lower};
  quant.take('i');
  if (quant.take('q') && !quant.rest.empty() && is_digit(quant.rest[0])) {
    quant.rest.remove_prefix(1);
    while (quant.rest.size() >= 2 && quant.rest[0] == '_' && is_word(quant.rest[1]))
      quant.rest.remove_prefix(2);
    if (quant.at_end()) return true;
  }
  Cursor plain{lower};
  plain.take('b');
  if (!plain.take('f')) return false;
  plain.take('p');
  return plain.rest == "16" || plain.rest == "32";
}

/// "7b", "8x7b", "a3b", "1.5b", "0_5b", "7b1", "mini", "xl"
bool is_size(std::string_view lower) {
  for (const std::string_view word : {"small", "mini", "medium", "large", "xl", "xxl"}) {
    if (lower == word) return true;
  }
  const auto number_and_unit = [](Cursor at) {
    if (!at.take_digits()) return false;
    if (at.take('.') || at.take('_')) {
      if (!at.take_digits()) return false;
    }
    if (at.rest.empty() || std::string_view("kmbt").find(at.rest[0]) == std::string_view::npos) return false;
    at.rest.remove_prefix(1);
    if (!at.rest.empty() && is_digit(at.rest[0])) at.rest.remove_prefix(1);
    return at.at_end();
  };
  if (number_and_unit(Cursor{lower})) return true;
  Cursor active{lower};
  if (active.take('a') && number_and_unit(active)) return true;
  Cursor experts{lower};
  return experts.take_digits() && experts.take('x') && number_and_unit(experts);
}

bool is_finetune(std::string_view lower) {
  return lower == "chat" || lower == "instruct" || lower == "vision" || lower == "lora";
}

struct Part {
  std::string text;
  bool basename = false, size_label = false, finetune = false, version = false, type = false;
  bool annotated() const { return basename || size_label || finetune || version || type; }
};

/// "7b1" means 7.1 billion; units are upper case. A number far from the model's size is a context length.
void annotate_size(Part& part, std::uint64_t parameters) {
  std::string& text = part.text;
  std::replace(text.begin(), text.end(), '_', '.');
  if (is_digit(text.back())) {
    const char digit = text.back();
    const char unit = text[text.size() - 2];
    text.resize(text.size() - 2);
    text += {'.', digit, unit};
  }
  if (text.size() > 1 && is_digit(text[text.size() - 2]) && is_lower(text.back())) {
    text.back() = static_cast<char>(text.back() - 'a' + 'A');
  }
  if (parameters != 0) {
    double number = 0;
    const char* const end = text.data() + text.size() - 1;
    const auto parsed = std::from_chars(text.data(), end, number);
    if (parsed.ec == std::errc{} && parsed.ptr == end) {
      const auto power = std::string_view(" KMBT").find(text.back());
      const double label = number * std::pow(1000.0, static_cast<double>(power));
      const auto total = static_cast<double>(parameters);
      if (std::abs(label - total) > std::floor(7 * total / 8)) {
        part.finetune = true;
        if (is_upper(text.back())) text.back() = static_cast<char>(text.back() - 'A' + 'a');
      }
    }
  }
  if (!part.annotated()) part.size_label = true;
}

std::vector<Part> annotate(std::string_view name, std::uint64_t parameters) {
  std::vector<Part> parts;
  while (!name.empty()) {
    const auto dash = name.find('-');
    if (dash != 0) parts.push_back(Part{std::string(name.substr(0, dash))});
    name = dash == std::string_view::npos ? std::string_view{} : name.substr(dash + 1);
  }
  for (std::size_t i = 0; i < parts.size(); ++i) {
    Part& part = parts[i];
    const std::string lower = ascii_lower(part.text);
    if (is_version(lower)) {
      part.version = true;
    } else if (is_type_name(lower)) {
      part.type = true;
      part.text = ascii_upper(part.text);
    } else if (i > 0 && is_size(lower)) {
      annotate_size(part, parameters);
    } else if (i > 0 && is_finetune(lower)) {
      part.finetune = true;
    }
  }
  return parts;
}

/// Words for sizes ("mini") do not count beside numbers ("7B").
void drop_size_words(std::vector<Part>& parts) {
  const bool numbered = std::any_of(parts.begin(), parts.end(), [](const Part& part) {
    return part.size_label && std::any_of(part.text.begin(), part.text.end(), is_digit);
  });
  if (!numbered) return;
  for (Part& part : parts) {
    if (std::all_of(part.text.begin(), part.text.end(), is_alpha)) part.size_label = false;
  }
}

/// The words at the start are the basename, versions among them included unless they end it.
void find_basename(std::vector<Part>& parts) {
  bool at_start = true;
  for (Part& part : parts) {
    if (at_start && ((!part.annotated() && is_alpha(part.text[0])) || part.version)) {
      part.basename = true;
    } else {
      at_start = false;
      if (!part.annotated()) part.finetune = true;
    }
  }
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (!part->basename || !(part->size_label || part->finetune || part->version || part->type)) break;
    part->basename = false;
  }
}

template <typename Wanted>
std::optional<std::string> joined(const std::vector<Part>& parts, bool unique, Wanted&& wanted) {
  std::vector<std::string_view> seen;
  std::string out;
  for (const Part& part : parts) {
    if (!wanted(part)) continue;
    if (unique && std::find(seen.begin(), seen.end(), part.text) != seen.end()) continue;
    seen.push_back(part.text);
    if (!out.empty()) out += '-';
    out += part.text;
  }
  return out.empty() ? std::nullopt : std::optional(out);
}

}  // namespace

NameParts split_model_id(std::string_view id, std::uint64_t parameters) {
  NameParts out;
  if (id.find(' ') != std::string_view::npos) {
    out.full_name = std::string(id);
    return out;
  }
  std::string_view name = id;
  if (const auto slash = id.find('/'); slash != std::string_view::npos) {
    name = id.substr(slash + 1);
    const std::string_view owner = id.substr(0, slash);
    if (owner.empty() || owner[0] != '.') out.organization = std::string(owner);
  }
  out.full_name = std::string(name);
  std::vector<Part> parts = annotate(name, parameters);
  drop_size_words(parts);
  find_basename(parts);
  out.size_label = joined(parts, true, [](const Part& part) { return part.size_label; });
  out.finetune = joined(parts, false, [](const Part& part) { return part.finetune; });
  out.version = joined(parts, false, [](const Part& part) { return part.version && !part.basename; });
  if (out.size_label || out.finetune || out.version) {
    out.basename = joined(parts, false, [](const Part& part) { return part.basename; });
  }
  return out;
}

std::string title_of(std::string_view id) {
  std::string text(id);
  std::replace(text.begin(), text.end(), '-', ' ');
  std::string out;
  std::size_t at = 0;
  const auto is_space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (at < text.size()) {
    if (is_space(text[at])) {
      ++at;
      continue;
    }
    std::size_t end = at;
    while (end < text.size() && !is_space(text[end])) ++end;
    std::string word = text.substr(at, end - at);
    at = end;
    const bool lower =
        std::any_of(word.begin(), word.end(), is_lower) && std::none_of(word.begin(), word.end(), is_upper);
    const bool versioned = is_digit(word[0]) || (word[0] == 'v' && is_version(word));
    if (lower && !versioned) {
      bool start = true;
      for (char& c : word) {
        if (start && is_lower(c)) c = static_cast<char>(c - 'a' + 'A');
        start = !is_alpha(c);
      }
    }
    if (!out.empty()) out += ' ';
    out += word;
  }
  return out;
}

std::string size_label_of(std::uint64_t parameters) {
  static constexpr std::array kUnits{std::pair{1e12, 'T'}, std::pair{1e9, 'B'}, std::pair{1e6, 'M'}};
  const auto count = static_cast<double>(parameters);
  double scaled = count * 1e-3;
  char unit = 'K';
  for (const auto& [size, letter] : kUnits) {
    if (count > size) {
      scaled = count * (letter == 'T' ? 1e-12 : letter == 'B' ? 1e-9 : 1e-6);
      unit = letter;
      break;
    }
  }
  const double rounded = std::nearbyint(scaled);
  const int digits = rounded < 1 ? 0 : rounded < 10 ? 1 : 2;
  char buffer[64];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, scaled, std::chars_format::fixed, 2 - digits).ptr;
  return std::string(buffer, end) + unit;
}

}  // namespace qtz
