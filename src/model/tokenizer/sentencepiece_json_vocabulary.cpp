// SentencePiece-like vocabularies from a tokenizer.json: BPE with byte fallback, whose scores nobody stored.
#include <algorithm>
#include <set>

#include "model/tokenizer/added_vocabulary.h"
#include "model/tokenizer/base_vocabulary.h"
#include "model/tokenizer/token_index.h"
#include "model/tokenizer/vocabulary.h"
#include "qtz/core/error.h"

namespace qtz {
namespace {

constexpr float kScore = -1000.0f;

}  // namespace

Vocabulary read_sentencepiece_json_vocabulary(TokenizerInput& input) {
  TokenizerJson& json = *input.json;
  const std::string where = printable(input.hub.path("tokenizer.json").native());
  std::vector<VocabEntry> base = std::move(json.vocab);
  const TokenIndex index = check_base_vocabulary(base, where);
  const AddedVocabulary added(input.hub, json, index, base.size());

  std::set<std::string, std::less<>> special(input.hub.named_specials().begin(),
                                             input.hub.named_specials().end());
  special.insert(input.hub.listed_specials().begin(), input.hub.listed_specials().end());
  for (std::string& text : input.hub.class_specials()) special.insert(std::move(text));
  const std::vector<std::string>& visible = input.policy.visible_tokens;
  const auto type_of = [&](const std::string& text, TokenType otherwise) {
    if (std::find(visible.begin(), visible.end(), text) != visible.end()) return TokenType::user_defined;
    if (is_byte_token(text)) return TokenType::byte;
    return special.contains(text) ? TokenType::control : otherwise;
  };

  Vocabulary out;
  out.model = "llama";
  out.pre = "default";
  std::uint64_t size = 0;
  for (const VocabEntry& entry : base) size = std::max<std::uint64_t>(size, entry.id + 1);
  for (const AddedToken& token : added.tokens()) size = std::max(size, token.id + 1);
  out.token_count = size;
  if (input.vocab_size != 0 && size > input.vocab_size) {
    drop_beyond_rows(input, base, added, where);
    size = input.vocab_size;
  }
  out.pad_to(std::max(size, input.vocab_size), kScore);
  for (const AddedToken& token : added.tokens()) {
    if (token.id >= size) continue;
    out.put(static_cast<std::size_t>(token.id), token.content,
            type_of(token.content, TokenType::user_defined));
    out.added.emplace_back(token.content, static_cast<std::uint32_t>(token.id));
  }
  for (VocabEntry& entry : base) {
    const TokenType type = type_of(entry.text, TokenType::normal);
    out.put(entry.id, std::move(entry.text), type);
  }
  if (!input.policy.write_merges) {
    input.warnings.push_back(
        where +
        ": has merges and no scores, but llama.cpp merges by scores: all are written equal, "
        "so that it may cut texts otherwise; a tokenizer.model beside it would be used");
  }
  out.merges = std::move(json.merges);
  return out;
}

}  // namespace qtz
