#include "model/front_matter.h"

#include <algorithm>
#include <optional>

#include "qtz/core/error.h"

namespace qtz {

namespace {

constexpr unsigned kDeepest = 16;

/// Thrown and caught in this file: a construct that is not read.
struct Unread {
  std::string what;
};

struct Line {
  std::size_t indent = 0;
  std::string_view text;  // without indent and trailing blanks; may hold a comment
};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\r')) text.remove_suffix(1);
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  return text;
}

bool is_blank(const Line& line) {
  return line.text.empty() || line.text[0] == '#';
}
bool is_item(const Line& line) {
  return line.text == "-" || line.text.starts_with("- ");
}

/// The plain text before " #".
std::string_view without_comment(std::string_view text) {
  const auto hash = text.find(" #");
  return hash == std::string_view::npos ? text : trimmed(text.substr(0, hash));
}

void append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xE0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

/// A quoted text at the start of `text`, which is moved behind it.
std::string take_quoted(std::string_view& text) {
  const char quote = text[0];
  std::string out;
  for (std::size_t i = 1; i < text.size(); ++i) {
    const char c = text[i];
    if (c == quote) {
      if (quote == '\'' && i + 1 < text.size() && text[i + 1] == '\'') {
        out += c;
        ++i;
        continue;
      }
      text.remove_prefix(i + 1);
      return out;
    }
    if (quote == '"' && c == '\\' && i + 1 < text.size()) {
      const char escaped = text[++i];
      if (escaped == 'n') {
        out += '\n';
      } else if (escaped == 't') {
        out += '\t';
      } else if (escaped == 'u' && i + 4 < text.size()) {
        std::uint32_t code = 0;
        for (std::size_t digit = 1; digit <= 4; ++digit) {
          const auto value = std::string_view("0123456789abcdefABCDEF").find(text[i + digit]);
          if (value == std::string_view::npos) throw Unread{"a \\u escape"};
          code = code * 16 + static_cast<std::uint32_t>(value > 15 ? value - 6 : value);
        }
        if (code >= 0xD800 && code < 0xE000) throw Unread{"a surrogate escape"};
        append_utf8(out, code);
        i += 4;
      } else if (escaped == '"' || escaped == '\\' || escaped == '/') {
        out += escaped;
      } else {
        throw Unread{"an escape"};
      }
      continue;
    }
    out += c;
  }
  throw Unread{"a quoted text over several lines"};
}

JsonValue plain_value(std::string_view text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return {};
  if (std::string_view("&*!|>%@`{").find(text[0]) != std::string_view::npos) {
    throw Unread{"'" + std::string(text.substr(0, 1)) + "'"};
  }
  return JsonValue(text);
}

/// "[a, 'b', c]"
JsonValue flow_list(std::string_view text) {
  JsonArray items;
  text.remove_prefix(1);
  for (;;) {
    text = trimmed(text);
    if (text.empty()) throw Unread{"a list over several lines"};
    if (text[0] == ']') break;
    if (text[0] == '[' || text[0] == '{') throw Unread{"a nested list"};
    if (text[0] == '"' || text[0] == '\'') {
      items.push_back(take_quoted(text));
      text = trimmed(text);
    } else {
      const auto end = text.find_first_of(",]");
      if (end == std::string_view::npos) throw Unread{"a list over several lines"};
      items.push_back(plain_value(trimmed(text.substr(0, end))));
      text.remove_prefix(end);
    }
    if (!text.empty() && text[0] == ',') text.remove_prefix(1);
  }
  if (const auto rest = trimmed(text.substr(1)); !rest.empty() && rest[0] != '#') throw Unread{"a list"};
  return items;
}

class BlockReader {
 public:
  explicit BlockReader(std::span<const Line> lines) : lines_(lines) {}

  /// The mapping entries at `indent`, up to a line with less.
  JsonValue mapping(std::size_t indent, unsigned depth) {
    if (depth > kDeepest) throw Unread{"deep nesting"};
    JsonObject members;
    while (next() && lines_[at_].indent == indent && !is_item(lines_[at_])) {
      std::string_view text = lines_[at_].text;
      std::string key = take_key(text);
      ++at_;
      members.emplace_back(std::move(key), value_after(text, indent, true, depth));
    }
    JsonValue out;
    out.set_all(std::move(members));
    return out;
  }

 private:
  bool next() {
    while (at_ < lines_.size() && is_blank(lines_[at_])) ++at_;
    return at_ < lines_.size();
  }

  static std::string take_key(std::string_view& text) {
    std::string key;
    if (text[0] == '"' || text[0] == '\'') {
      key = take_quoted(text);
      if (!text.starts_with(':')) throw Unread{"a line without key"};
      text = trimmed(text.substr(1));
      return key;
    }
    for (std::size_t colon = text.find(':'); colon != std::string_view::npos;
         colon = text.find(':', colon + 1)) {
      if (colon + 1 < text.size() && text[colon + 1] != ' ') continue;
      key = std::string(trimmed(text.substr(0, colon)));
      text = trimmed(text.substr(colon + 1));
      return key;
    }
    throw Unread{"a line without key"};
  }

  /// What follows "key:" or "- " on the same line, or the more indented lines below.
  JsonValue value_after(std::string_view text, std::size_t indent, bool of_key, unsigned depth) {
    if (!text.empty() && text[0] == '#') text = {};
    if (text.empty()) return nested(indent, of_key, depth);
    if (text[0] == '|' || text[0] == '>') return block_text(text, indent);
    if (text[0] == '[') return flow_list(joined_list(text));
    if (text[0] == '"' || text[0] == '\'') {
      std::string value = take_quoted(text);
      text = trimmed(text);
      if (!text.empty() && text[0] != '#') throw Unread{"text after a quoted text"};
      return value;
    }
    std::string value(without_comment(text));
    while (next() && lines_[at_].indent > indent) {
      value += ' ';
      value += without_comment(lines_[at_++].text);
    }
    return plain_value(value);
  }

  JsonValue nested(std::size_t indent, bool of_key, unsigned depth) {
    if (!next()) return {};
    const Line& line = lines_[at_];
    // A key's list may stand as far left as the key itself.
    if (is_item(line) && (line.indent > indent || (of_key && line.indent == indent))) {
      return list(line.indent, depth + 1);
    }
    if (line.indent <= indent) return {};
    return mapping(line.indent, depth + 1);
  }

  JsonValue list(std::size_t indent, unsigned depth) {
    if (depth > kDeepest) throw Unread{"deep nesting"};
    JsonArray items;
    while (next() && lines_[at_].indent == indent && is_item(lines_[at_])) {
      const std::string_view rest = trimmed(lines_[at_].text.substr(1));
      if (starts_mapping(rest)) {
        items.push_back(item_mapping(indent, rest, depth));
        continue;
      }
      ++at_;
      items.push_back(value_after(rest, indent, false, depth));
    }
    return items;
  }

  static bool starts_mapping(std::string_view text) {
    if (text.empty() || text[0] == '"' || text[0] == '\'' || text[0] == '[' || text[0] == '#') return false;
    return text.find(": ") != std::string_view::npos || text.ends_with(':');
  }

  /// "- name: x" and the lines aligned with "name".
  JsonValue item_mapping(std::size_t indent, std::string_view first, unsigned depth) {
    const auto column = indent + static_cast<std::size_t>(first.data() - lines_[at_].text.data());
    std::vector<Line> block{Line{column, first}};
    ++at_;
    while (at_ < lines_.size() && (is_blank(lines_[at_]) || lines_[at_].indent > indent)) {
      block.push_back(lines_[at_++]);
    }
    BlockReader inner(block);
    JsonValue value = inner.mapping(column, depth + 1);
    if (inner.next()) throw Unread{"uneven indentation"};
    return value;
  }

  /// "|" keeps line ends, ">" folds them into spaces.
  JsonValue block_text(std::string_view header, std::size_t indent) {
    const bool folded = header[0] == '>';
    const bool keep_end = header.find('-') == std::string_view::npos;
    std::string out;
    std::optional<std::size_t> column;
    for (; at_ < lines_.size(); ++at_) {
      const Line& line = lines_[at_];
      if (line.text.empty()) {
        if (!out.empty()) out += '\n';
        continue;
      }
      if (line.indent <= indent) break;
      if (!column) column = line.indent;
      if (!out.empty() && out.back() != '\n') out += folded ? ' ' : '\n';
      if (line.indent > *column) out.append(line.indent - *column, ' ');
      out += line.text;
    }
    while (!out.empty() && out.back() == '\n') out.pop_back();
    if (keep_end && !out.empty()) out += '\n';
    return out;
  }

  /// A flow list that goes on over the next lines, as one line.
  std::string_view joined_list(std::string_view text) {
    if (text.find(']') != std::string_view::npos) return text;
    joined_ = std::string(text);
    for (bool closed = false; at_ < lines_.size() && !closed; ++at_) {
      closed = lines_[at_].text.find(']') != std::string_view::npos;
      joined_ += ' ';
      joined_ += lines_[at_].text;
    }
    return joined_;
  }

  std::span<const Line> lines_;
  std::size_t at_ = 0;
  std::string joined_;
};

/// The lines between the first "---" and the next, tabs as two spaces.
std::vector<std::string> front_lines(std::string_view text) {
  std::vector<std::string> lines;
  bool inside = false;
  while (!text.empty()) {
    const auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!inside) {
      if (line != "---") return {};
      inside = true;
      continue;
    }
    if (line == "---") return lines;
    std::string spaced;
    for (const char c : line) spaced += c == '\t' ? std::string("  ") : std::string(1, c);
    lines.push_back(std::move(spaced));
  }
  return lines;
}

}  // namespace

JsonValue read_front_matter(std::string_view text, std::span<const std::string_view> wanted,
                            std::vector<std::string>& warnings) {
  JsonValue out = JsonObject{};
  const std::vector<std::string> raw = front_lines(text);
  std::vector<Line> lines;
  for (const std::string& line : raw) {
    const auto indent = std::min(line.find_first_not_of(' '), line.size());
    lines.push_back(Line{indent, trimmed(line)});
  }
  // Each top-level key with its lines is read on its own, so that one odd entry does not hide the others.
  for (std::size_t begin = 0; begin < lines.size();) {
    std::size_t end = begin + 1;
    while (end < lines.size() && (lines[end].indent > 0 || is_blank(lines[end]) || is_item(lines[end])))
      ++end;
    const auto chunk = std::span(lines).subspan(begin, end - begin);
    begin = end;
    const std::string_view first = chunk[0].text;
    const bool is_wanted = std::any_of(wanted.begin(), wanted.end(), [&](std::string_view key) {
      return first.starts_with(key) && first.substr(key.size()).starts_with(':');
    });
    if (!is_wanted) continue;
    try {
      BlockReader reader(chunk);
      const JsonValue read = reader.mapping(chunk[0].indent, 0);
      for (const auto& [key, value] : *read.as_object()) out.set(key, value);
    } catch (const Unread& unread) {
      warnings.push_back("README.md: '" + printable(first.substr(0, first.find(':'))) +
                         "' is left out: " + printable(unread.what) + " is not read here");
    }
  }
  return out;
}

}  // namespace qtz
