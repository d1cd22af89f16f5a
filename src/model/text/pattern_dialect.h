// The regular expressions of tokenizers are Oniguruma's; what PCRE2 would read otherwise, or match in more
// than one pass, is written anew.
#pragma once

#include <string>
#include <string_view>

namespace qtz {

/// A pattern of PCRE2 that matches what `pattern` matches: sets within sets become one set, \s and \S name
/// the characters of Unicode's White_Space (PCRE2 adds U+180E to them), and the rows of the table in
/// pattern_dialect.cpp. Throws usage for a set that does not end, and for operations on sets that are not
/// known.
std::string pcre_dialect(std::string_view pattern);

}  // namespace qtz
