#include "model/text/sentencepiece_tokens.h"

#include <algorithm>

#include "model/tokenizer/utf8.h"

namespace qtz {

std::string bytes_of_piece(const TokenTable& tokens, std::uint32_t id) {
  const std::string& text = tokens.text(id);
  if (tokens.type(id) != TokenType::byte || !is_byte_token(text)) return replace_all(text, kLowerBlock, " ");
  constexpr std::size_t kHexBegin = 3;  // of "<0x0A>"
  constexpr int kHexBase = 16;
  return std::string(1, static_cast<char>(std::stoi(text.substr(kHexBegin, 2), nullptr, kHexBase)));
}

void join_unknown(std::vector<std::uint32_t>& ids, std::size_t begin, std::uint32_t unknown) {
  const auto same = [&](std::uint32_t a, std::uint32_t b) { return a == unknown && b == unknown; };
  ids.erase(std::unique(ids.begin() + static_cast<std::ptrdiff_t>(begin), ids.end(), same), ids.end());
}

}  // namespace qtz
