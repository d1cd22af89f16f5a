// What SentencePiece's two ways to cut a text, merges and unigrams, have in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "model/text/token_table.h"

namespace qtz {

/// The bytes that a piece stands for: a space for each U+2581, the byte itself of "<0x0A>".
std::string bytes_of_piece(const TokenTable& tokens, std::uint32_t id);

/// Makes one unknown token of those that stand side by side in `ids` from `begin` on.
void join_unknown(std::vector<std::uint32_t>& ids, std::size_t begin, std::uint32_t unknown);

}  // namespace qtz
