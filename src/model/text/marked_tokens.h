// Tokens that are looked for in a text as they stand, before anything else is done to it: special ones, and
// those that a person added. Rules: `tokenizers`, tokenizer/added_vocabulary.rs.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "model/text/byte_trie.h"
#include "model/text/token_table.h"
#include "qtz/formats/gguf_value.h"

namespace qtz {

class MarkedTokens {
 public:
  /// Tokens of type CONTROL and UNKNOWN are special, those of type USER_DEFINED are found in any case.
  MarkedTokens(const KvList& keys, const TokenTable& tokens);

  bool is_special(std::uint32_t id) const noexcept { return rules_[id].special; }

  /// Calls text(part) and token(id) for what `whole` consists of, in order; parts are not empty. At each
  /// place the longest token counts. A special one that is not wanted stays text, as a whole.
  template <typename Text, typename Token>
  void for_each_part(std::string_view whole, bool special, Text text, Token token) const {
    std::size_t begin = 0;
    for (std::size_t at = 0; at < whole.size();) {
      const auto found = trie_.longest_prefix(whole.substr(at));
      if (!found) {
        ++at;
        continue;
      }
      std::size_t end = at + found->length;
      const Rules rules = rules_[found->value];
      if (rules.special && !special) {
        at = end;
        continue;
      }
      const std::size_t start = rules.takes_spaces_before ? without_spaces_before(whole, begin, at) : at;
      if (rules.takes_spaces_behind) end = behind_spaces(whole, end);
      if (start > begin) text(whole.substr(begin, start - begin));
      token(found->value);
      begin = at = end;
    }
    if (begin < whole.size()) text(whole.substr(begin));
  }

 private:
  struct Rules {
    bool special = false;
    bool takes_spaces_before = false;
    bool takes_spaces_behind = false;
  };

  static std::size_t without_spaces_before(std::string_view text, std::size_t begin,
                                           std::size_t end) noexcept;
  static std::size_t behind_spaces(std::string_view text, std::size_t at) noexcept;

  ByteTrie trie_;
  std::vector<Rules> rules_;
};

}  // namespace qtz
