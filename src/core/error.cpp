#include "qtz/core/error.h"

#include <cstdio>
#include <cstdlib>

namespace qtz {

Error::Error(ErrorKind kind, std::string what, std::string hint)
    : kind_(kind), message_(std::move(what)), hint_(std::move(hint)) {}

void Error::add_context(std::string_view context) {
  message_.insert(0, std::string(context) + ": ");
}

namespace {

/// Length of the well-formed UTF-8 sequence at the start of `text`, 0 if there is none (Unicode table 3-7).
std::size_t utf8_length(std::string_view text) noexcept {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = at(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xC2 && lead <= 0xDF   ? 2
                             : (lead & 0xF0) == 0xE0        ? 3
                             : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                            : 0;
  if (length == 0 || text.size() < length) return 0;
  const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (at(1) < low || at(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if ((at(i) & 0xC0) != 0x80) return 0;
  }
  return length;
}

/// Moves `text` to `out`, what must not be printed escaped, until `out` has at least `limit` bytes.
void move_escaped(std::string_view& text, std::string& out, std::size_t limit) {
  while (!text.empty() && out.size() < limit) {
    const std::size_t length = utf8_length(text);
    const auto byte = static_cast<unsigned char>(text[0]);
    // C1 control characters (U+0080..U+009F) steer some terminals as C0 ones do.
    const bool c1 = length == 2 && byte == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0;
    if (length == 0 || (length == 1 && (byte < 0x20 || byte == 0x7F)) || c1) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", byte);
      out += escaped;
      text.remove_prefix(1);
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string printable(std::string_view text) {
  constexpr std::size_t kShown = 200;
  std::string out;
  move_escaped(text, out, kShown);
  if (!text.empty()) out += "...";
  return out;
}

std::string without_controls(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  move_escaped(text, out, std::string::npos);
  return out;
}

void check_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "qtz: internal error: check failed: %s (%s:%d)\n", expression, file, line);
  std::abort();
}

}  // namespace qtz
