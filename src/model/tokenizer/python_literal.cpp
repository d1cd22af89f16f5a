#include "model/tokenizer/python_literal.h"

#include <cstdint>
#include <utility>

#include "model/tokenizer/utf8.h"

namespace qtz {
namespace {

constexpr std::pair<char, char> kEscapes[] = {{'\\', '\\'}, {'\'', '\''}, {'"', '"'},  {'a', '\a'},
                                              {'b', '\b'},  {'f', '\f'},  {'n', '\n'}, {'r', '\r'},
                                              {'t', '\t'},  {'v', '\v'}};

int digit_of(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 16;
}

/// Takes up to `most` digits of `base`, at least `least`.
std::optional<std::uint32_t> take_number(std::string_view& text, int base, unsigned least, unsigned most) {
  std::uint32_t value = 0;
  unsigned count = 0;
  while (count < most && !text.empty() && digit_of(text.front()) < base) {
    value = value * static_cast<std::uint32_t>(base) + static_cast<std::uint32_t>(digit_of(text.front()));
    text.remove_prefix(1);
    ++count;
  }
  return count < least ? std::nullopt : std::optional(value);
}

class Reader {
 public:
  Reader(std::string_view rest, bool bytes) : rest_(rest), bytes_(bytes) {}

  /// Up to the closing quote, which must be the last character.
  std::optional<std::string> read(char quote) {
    while (!rest_.empty() && rest_.front() != quote) {
      const char c = rest_.front();
      rest_.remove_prefix(1);
      const bool sound = c == '\\' ? escape() : plain(c);
      if (!sound) return std::nullopt;
    }
    if (rest_.size() != 1) return std::nullopt;
    return std::move(out_);
  }

 private:
  bool plain(char c) {
    out_ += c;
    return !bytes_ || static_cast<unsigned char>(c) < 0x80;
  }

  bool escape() {
    if (rest_.empty()) return false;
    const char c = rest_.front();
    for (const auto& [letter, meaning] : kEscapes) {
      if (letter != c) continue;
      rest_.remove_prefix(1);
      out_ += meaning;
      return true;
    }
    if (c >= '0' && c <= '7') return put(take_number(rest_, 8, 1, 3));
    rest_.remove_prefix(1);
    if (c == 'x') return put(take_number(rest_, 16, 2, 2));
    if (c == 'u' && !bytes_) return put(take_number(rest_, 16, 4, 4));
    if (c == 'U' && !bytes_) return put(take_number(rest_, 16, 8, 8));
    return false;
  }

  bool put(std::optional<std::uint32_t> point) {
    if (!point || *point > 0x10FFFF || (*point >= 0xD800 && *point <= 0xDFFF)) return false;
    if (!bytes_) {
      append_code_point(out_, *point);
    } else {
      if (*point > 0xFF) return false;
      out_ += static_cast<char>(*point);
    }
    return true;
  }

  std::string_view rest_;
  bool bytes_;
  std::string out_;
};

}  // namespace

std::optional<std::string> parse_python_literal(std::string_view literal) {
  const bool bytes = literal.starts_with('b');
  if (bytes) literal.remove_prefix(1);
  if (literal.empty() || (literal.front() != '\'' && literal.front() != '"')) return std::nullopt;
  const char quote = literal.front();
  return Reader(literal.substr(1), bytes).read(quote);
}

std::string python_text_of(std::string_view bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  // Python prefers single quotes, and escapes those that it cannot avoid.
  const bool escape_single =
      bytes.find('\'') == std::string_view::npos || bytes.find('"') != std::string_view::npos;
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\\' || (c == '\'' && escape_single)) {
      out += '\\';
      out += c;
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (byte < 0x20 || byte >= 0x7F) {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace qtz
