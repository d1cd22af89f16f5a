#include "model/tokenizer/base64.h"

#include <cstdint>

namespace qtz {
namespace {

/// The six bits of a character; negative for one that has none.
int bits_of(char c) noexcept {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

}  // namespace

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  text.remove_suffix(padding);
  std::string out;
  out.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t held = 0;
  unsigned count = 0;
  for (const char c : text) {
    const int bits = bits_of(c);
    if (bits < 0) return std::nullopt;
    held = held << 6 | static_cast<std::uint32_t>(bits);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>(held >> count & 0xFF);
    held &= (std::uint32_t{1} << count) - 1;
  }
  if (held != 0 || count == 6) return std::nullopt;
  return out;
}

}  // namespace qtz
