// Python's literals of texts and bytes, as RWKV's vocabulary has them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace qtz {

/// The bytes that 'text', "text", b'bytes' or b"bytes" stands for, a text in UTF-8. Empty when `literal` is
/// anything else: an escape that is cut or unknown, a character that UTF-8 does not have, something behind
/// the closing quote, a byte above 127 in a literal of bytes. Source: docs.python.org, "String and Bytes
/// literals".
std::optional<std::string> parse_python_literal(std::string_view literal);

/// What Python shows of bytes, without b and the quotes: "\\xff" for a byte that is no printable ASCII.
std::string python_text_of(std::string_view bytes);

}  // namespace qtz
