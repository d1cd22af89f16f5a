// SentencePiece-like vocabularies from a tokenizer.json: BPE with byte fallback, whose scores nobody stored.
// llama.cpp merges by score, a tokenizer.json in the order of its merges, so the order makes the scores. (The
// converter gives all tokens -1000, and llama.cpp then merges from the left whatever fits.)
#include <algorithm>
#include <set>
#include <span>

#include "model/tokenizer/added_vocabulary.h"
#include "model/tokenizer/base_vocabulary.h"
#include "model/tokenizer/token_index.h"
#include "model/tokenizer/vocabulary.h"
#include "qtz/core/error.h"

namespace qtz {
namespace {

constexpr float kScore = -1000.0f;

struct MergeScores {
  std::vector<float> scores;     ///< one per id; what no merge makes comes after all that one does
  std::uint64_t made_apart = 0;  ///< merges that make a token again after merges of others
};

/// A token has minus the place of the first merge that makes it.
MergeScores scores_of_merges(std::span<const std::string> merges, const TokenIndex& index, std::size_t size) {
  const float last = 0.0f - static_cast<float>(merges.size());
  MergeScores out{std::vector<float>(size, last)};
  std::optional<std::uint32_t> before;
  for (std::size_t place = 0; place < merges.size(); ++place) {
    std::string text = merges[place];
    if (const std::size_t gap = text.find(' '); gap != std::string::npos) text.erase(gap, 1);
    const std::optional<std::uint32_t> id = index.find(text);
    if (!id || *id >= size) continue;
    if (out.scores[*id] == last) {
      out.scores[*id] = 0.0f - static_cast<float>(place);
    } else if (id != before) {
      ++out.made_apart;
    }
    before = id;
  }
  return out;
}

/// XVERSE's reading: an added token is special where it is said to be, and the zero character is a byte under
/// a name from which llama.cpp reads a zero.
void put_plain(std::vector<VocabEntry>& base, const AddedVocabulary& added, std::uint64_t size,
               Vocabulary& out) {
  for (VocabEntry& entry : base) {
    const bool zero = entry.text == std::string_view("\0", 1);
    if (zero) entry.text = "<b'\\x00'>";
    const TokenType type = zero || is_byte_token(entry.text) ? TokenType::byte : TokenType::normal;
    out.put(entry.id, std::move(entry.text), type);
  }
  for (const AddedToken& token : added.tokens()) {
    if (token.id >= size) continue;
    const auto id = static_cast<std::size_t>(token.id);
    out.added.emplace_back(token.content, static_cast<std::uint32_t>(token.id));
    if (is_byte_token(token.content)) {
      out.put(id, token.content, TokenType::byte);
    } else {
      out.put(id, token.content, token.special ? TokenType::control : TokenType::user_defined);
    }
  }
}

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
  if (!input.policy.write_merges) {
    MergeScores found = scores_of_merges(json.merges, index, out.tokens.size());
    out.scores = std::move(found.scores);
    if (found.made_apart != 0) {
      input.warnings.push_back(
          where + ": tokens that are made by several merges, with merges of others between them: " +
          std::to_string(found.made_apart) +
          "; llama.cpp knows one place for a token and may cut texts otherwise; a tokenizer.model beside it "
          "would be used");
    }
  }
  if (input.policy.plain_added_tokens) {
    put_plain(base, added, size, out);
  } else {
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
  }
  out.merges = std::move(json.merges);
  return out;
}

}  // namespace qtz
