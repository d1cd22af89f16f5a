// The 256 printable characters by which byte-level BPE writes bytes. Source: the encoder of OpenAI's GPT-2.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace qtz {

/// Any bytes in that alphabet, as UTF-8.
std::string encode_byte_alphabet(std::string_view bytes);

/// The bytes that a text in that alphabet stands for; empty when it has any other character.
std::optional<std::string> bytes_of_alphabet(std::string_view text);

/// `text` in that alphabet turned back into bytes, then into UTF-8 with U+FFFD for what is none; `text`
/// itself when it has any other character.
std::string decode_byte_alphabet(std::string_view text);

}  // namespace qtz
