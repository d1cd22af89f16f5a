#include "model/tokenizer/added_vocabulary.h"

#include <algorithm>

namespace qtz {

AddedVocabulary::AddedVocabulary(const HubTokenizer& hub, const TokenizerJson& json, const TokenIndex& base,
                                 std::uint64_t base_size)
    : next_id_(base_size) {
  for (const AddedToken& token : json.added_tokens) add(token, base);
  for (const AddedToken& token : hub.config_tokens()) add(token, base);
  for (const std::string& text : hub.named_specials()) {
    const auto known = by_text_.find(text);
    if (known != by_text_.end()) {
      tokens_[known->second].special = true;
    } else {
      add({0, text, true, false}, base);
    }
  }
  for (const std::string& text : hub.class_specials()) {
    if (find(text) == nullptr && base.find(text)) add({0, text, true, false}, base);
  }
  for (const std::string& text : hub.listed_specials()) {
    if (find(text) == nullptr) add({0, text, true, false}, base);
  }
}

const AddedToken* AddedVocabulary::find(std::string_view content) const noexcept {
  const auto known = by_text_.find(content);
  return known == by_text_.end() ? nullptr : &tokens_[known->second];
}

void AddedVocabulary::add(AddedToken token, const TokenIndex& base) {
  if (token.content.empty()) return;
  const auto [known, fresh] = by_text_.try_emplace(token.content, tokens_.size());
  if (!fresh) {
    tokens_[known->second].special = token.special;
    tokens_[known->second].normalized = token.normalized;
    return;
  }
  const auto in_base = base.find(token.content);
  token.id = in_base ? *in_base : next_id_;
  next_id_ = std::max(next_id_, token.id + 1);
  tokens_.push_back(std::move(token));
}

}  // namespace qtz
