#include "model/tokenizer/byte_alphabet.h"

#include <array>
#include <cstdint>

#include "model/tokenizer/utf8.h"

namespace qtz {
namespace {

constexpr bool stands_for_itself(unsigned byte) noexcept {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

/// The bytes that do not stand for themselves are the characters from U+0100 on, in order.
constexpr auto kShifted = [] {
  std::array<unsigned char, 68> bytes{};
  std::size_t next = 0;
  for (unsigned byte = 0; byte < 256; ++byte) {
    if (!stands_for_itself(byte)) bytes[next++] = static_cast<unsigned char>(byte);
  }
  return bytes;
}();
static_assert(kShifted.back() == 0xAD);

/// The character of every byte, as a code point.
constexpr auto kPoints = [] {
  std::array<std::uint16_t, 256> points{};
  std::uint16_t next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) {
    points[byte] = stands_for_itself(byte) ? static_cast<std::uint16_t>(byte) : next++;
  }
  return points;
}();

}  // namespace

std::string encode_byte_alphabet(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) append_code_point(text, kPoints[static_cast<unsigned char>(c)]);
  return text;
}

std::optional<std::string> bytes_of_alphabet(std::string_view text) {
  std::string bytes;
  while (!text.empty()) {
    const auto point = take_code_point(text);
    if (!point) return std::nullopt;
    if (*point < 256 && stands_for_itself(*point)) {
      bytes += static_cast<char>(*point);
    } else if (*point >= 0x100 && *point < 0x100 + kShifted.size()) {
      bytes += static_cast<char>(kShifted[*point - 0x100]);
    } else {
      return std::nullopt;
    }
  }
  return bytes;
}

std::string decode_byte_alphabet(std::string_view text) {
  const auto bytes = bytes_of_alphabet(text);
  return bytes ? utf8_lossy(*bytes) : std::string(text);
}

}  // namespace qtz
