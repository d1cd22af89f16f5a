// The added tokens of a hub tokenizer with the ids they really get. The tokenizers library does not believe
// the ids in tokenizer.json: a text that the vocabulary has keeps the vocabulary's id, any other gets the
// next free one.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "model/tokenizer/hub_folder.h"
#include "model/tokenizer/token_index.h"

namespace qtz {

class AddedVocabulary {
 public:
  /// Adds the tokens of tokenizer.json, then those of tokenizer_config.json (whose flags win), then special
  /// tokens that only the configurations name. `base_size` is the number of entries in the vocabulary itself.
  AddedVocabulary(const HubTokenizer& hub, const TokenizerJson& json, const TokenIndex& base,
                  std::uint64_t base_size);

  /// In the order of adding, ids unique.
  const std::vector<AddedToken>& tokens() const noexcept { return tokens_; }
  const AddedToken* find(std::string_view content) const noexcept;

 private:
  void add(AddedToken token, const TokenIndex& base);

  std::vector<AddedToken> tokens_;
  std::uint64_t next_id_;
  std::map<std::string, std::size_t, std::less<>> by_text_;  ///< positions in tokens_
};

}  // namespace qtz
