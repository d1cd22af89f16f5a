// WordPiece vocabularies: BERT and the encoders made like it. The files mark what continues a word ("##ing");
// llama.cpp wants it the other way round, what begins a word with U+2581 and the rest bare.
#include "model/folder_file.h"
#include "model/tokenizer/added_vocabulary.h"
#include "model/tokenizer/base_vocabulary.h"
#include "model/tokenizer/utf8.h"
#include "model/tokenizer/vocabulary.h"
#include "qtz/core/error.h"

namespace qtz {
namespace {

constexpr std::uint64_t kMaxVocabBytes = 256u << 20;
constexpr std::string_view kContinues = "##";

/// The converter knows two vocabularies by what they make of a sample text. llama.cpp reads no name for this
/// kind, so the others get the one of the English vocabulary that most models have.
std::string_view name_of_vocabulary(const TokenIndex& index) {
  constexpr std::string_view kChineseToken = "\xE6\x88\x91";
  constexpr std::uint32_t kChineseId = 2769;
  return index.find(kChineseToken) == kChineseId ? "bert-bge-large" : "jina-v2-en";
}

/// A token a line; the line's number is the id.
std::vector<VocabEntry> read_vocab_text(const std::filesystem::path& path) {
  const std::string text = read_folder_text(path, kMaxVocabBytes);
  const std::string where = printable(path.native());
  std::vector<VocabEntry> entries;
  for (std::string_view rest = text; !rest.empty();) {
    const auto end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() && rest.empty()) break;
    check_vocabulary_size(entries.size() + std::uint64_t{1}, where);
    if (!is_utf8(line)) {
      throw Error(ErrorKind::input_invalid, where + ": line " + std::to_string(entries.size() + 1) +
                                                " is not UTF-8: '" + printable(line) + "'");
    }
    entries.push_back({static_cast<std::uint32_t>(entries.size()), std::string(line)});
  }
  return entries;
}

std::string with_word_starts(std::string text, TokenType type) {
  if (type == TokenType::control) return text;
  if (text.starts_with(kContinues)) return text.substr(kContinues.size());
  return std::string(kLowerBlock) + text;
}

}  // namespace

Vocabulary read_wordpiece_vocabulary(TokenizerInput& input) {
  const bool older = !input.json;
  const std::string where = printable(input.hub.path(older ? "vocab.txt" : "tokenizer.json").native());
  TokenizerJson file;
  if (older) {
    file.vocab = read_vocab_text(input.hub.path("vocab.txt"));
    file.added_tokens = input.hub.added_tokens_file();
  }
  TokenizerJson& json = older ? file : *input.json;
  std::vector<VocabEntry> base = std::move(json.vocab);
  const TokenIndex index = check_base_vocabulary(base, where);
  const AddedVocabulary added(input.hub, json, index, base.size());

  Vocabulary out;
  out.model = "bert";
  out.pre = name_of_vocabulary(index);
  const std::uint64_t size = settle_size(input, base, added, where, out);
  out.pad_to(size, std::nullopt);
  for (VocabEntry& entry : base) out.put(entry.id, std::move(entry.text), TokenType::normal);
  for (const AddedToken& token : added.tokens()) {
    if (token.id >= size) continue;
    const bool control = token.special || looks_special(token.content);
    out.put(static_cast<std::size_t>(token.id), token.content,
            control ? TokenType::control : TokenType::user_defined);
    out.added.emplace_back(token.content, static_cast<std::uint32_t>(token.id));
  }
  for (std::size_t id = 0; id < out.tokens.size(); ++id) {
    out.tokens[id] = with_word_starts(std::move(out.tokens[id]), static_cast<TokenType>(out.types[id]));
  }
  return out;
}

}  // namespace qtz
