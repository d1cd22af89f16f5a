// The table of character replacements in a SentencePiece model ("precompiled_charsmap"), checked as far as
// llama.cpp relies on it. It is copied, not used.
#pragma once

#include <string_view>

namespace qtz {

/// The layout: u32 number of bytes of the trie, the trie in u32 words, then replacements that end with a zero
/// byte. Throws input_invalid naming `where` when that does not hold. Source: normalizer.cc and
/// builder.cc of github.com/google/sentencepiece.
void check_charsmap(std::string_view bytes, std::string_view where);

}  // namespace qtz
