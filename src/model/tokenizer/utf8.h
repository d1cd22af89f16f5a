// UTF-8 as token texts need it: walking over code points, and the replacement of one text by
// another.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace qtz {

/// U+2581, which SentencePiece writes for a space.
inline constexpr std::string_view kLowerBlock = "\xE2\x96\x81";

/// The code point at the start of `text`, which is shortened by it; empty when `text` is empty or malformed
/// there.
std::optional<std::uint32_t> take_code_point(std::string_view& text) noexcept;

/// Appends a code point, which must be one that UTF-8 has (no surrogate, at most U+10FFFF).
void append_code_point(std::string& text, std::uint32_t point);

/// `bytes` with every maximal malformed part replaced by U+FFFD, as Unicode recommends and Rust's
/// from_utf8_lossy does.
std::string utf8_lossy(std::string_view bytes);

std::string replace_all(std::string_view text, std::string_view from, std::string_view to);

}  // namespace qtz
