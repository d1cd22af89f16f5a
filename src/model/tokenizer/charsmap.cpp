#include "model/tokenizer/charsmap.h"

#include <cstdint>

#include "qtz/core/error.h"

namespace qtz {

void check_charsmap(std::string_view bytes, std::string_view where) {
  constexpr std::size_t kWord = 4;
  const auto refuse = [&](const std::string& problem) {
    throw Error(ErrorKind::input_invalid,
                std::string(where) + ": the table of character replacements " + problem,
                "fetch the file again");
  };
  if (bytes.size() < kWord) refuse("has only " + std::to_string(bytes.size()) + " bytes");
  std::uint64_t trie = 0;
  for (std::size_t i = 0; i < kWord; ++i) {
    trie |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  }
  const std::uint64_t rest = bytes.size() - kWord;
  if (trie % kWord != 0 || trie == 0 || trie >= rest) {
    refuse("claims a trie of " + std::to_string(trie) + " bytes, but " + std::to_string(rest) +
           " bytes follow");
  }
  if (bytes.back() != '\0') refuse("does not end with a zero byte");
}

}  // namespace qtz
