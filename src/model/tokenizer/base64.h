// Base64, as tokenizer files use it for bytes that are no text: standard alphabet, padded.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace qtz {

/// The bytes; empty when `text` is not Base64 of whole bytes: another character, a length that is not a
/// multiple of four, padding elsewhere than at the end, bits beyond the last byte. Source: RFC 4648.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace qtz
