#include "model/tokenizer/utf8.h"

namespace qtz {
namespace {

struct Sequence {
  std::size_t length;  ///< bytes that belong together, at least 1
  bool valid;
};

/// The well-formed sequence at the start of `text`, or the longest prefix of one (Unicode, table 3-7).
Sequence measure(std::string_view text) noexcept {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = at(0);
  if (lead < 0x80) return {1, true};
  const std::size_t length = lead >= 0xC2 && lead <= 0xDF   ? 2
                             : lead >= 0xE0 && lead <= 0xEF ? 3
                             : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                            : 0;
  for (std::size_t i = 1; i < length; ++i) {
    const unsigned char low = i > 1 ? 0x80 : lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const unsigned char high = i > 1 ? 0xBF : lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (i == text.size() || at(i) < low || at(i) > high) return {i, false};
  }
  return {length == 0 ? 1 : length, length != 0};
}

}  // namespace

std::optional<std::uint32_t> take_code_point(std::string_view& text) noexcept {
  if (text.empty()) return std::nullopt;
  const auto [length, valid] = measure(text);
  if (!valid) return std::nullopt;
  std::uint32_t point = static_cast<unsigned char>(text[0]);
  if (length > 1) point &= 0x7Fu >> length;
  for (std::size_t i = 1; i < length; ++i) point = point << 6 | (static_cast<unsigned char>(text[i]) & 0x3Fu);
  text.remove_prefix(length);
  return point;
}

void append_code_point(std::string& text, std::uint32_t point) {
  const auto tail = [&](unsigned shift) { text += static_cast<char>(0x80U | (point >> shift & 0x3FU)); };
  if (point < 0x80) {
    text += static_cast<char>(point);
  } else if (point < 0x800) {
    text += static_cast<char>(0xC0U | point >> 6);
    tail(0);
  } else if (point < 0x10000) {
    text += static_cast<char>(0xE0U | point >> 12);
    tail(6);
    tail(0);
  } else {
    text += static_cast<char>(0xF0U | point >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

std::string utf8_lossy(std::string_view bytes) {
  std::string out;
  while (!bytes.empty()) {
    const auto [length, valid] = measure(bytes);
    out += valid ? bytes.substr(0, length) : std::string_view("\xEF\xBF\xBD");
    bytes.remove_prefix(length);
  }
  return out;
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  for (auto at = text.find(from); at != std::string_view::npos; at = text.find(from)) {
    out += text.substr(0, at);
    out += to;
    text.remove_prefix(at + from.size());
  }
  out += text;
  return out;
}

}  // namespace qtz
