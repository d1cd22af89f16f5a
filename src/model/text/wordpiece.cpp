// BERT's WordPiece: a text is cleaned, lowered and cut at spaces and punctuation, and each word is cut into
// the longest pieces that fit. Rules: `tokenizers`, normalizers/bert.rs, pre_tokenizers/bert.rs,
// models/wordpiece/mod.rs.
#include "model/text/byte_trie.h"
#include "model/text/piece_encoder.h"
#include "model/text/unicode.h"
#include "model/tokenizer/utf8.h"
#include "qtz/core/error.h"

namespace qtz {
namespace {

/// Longer words are unknown.
constexpr std::size_t kMostCharacters = 100;

struct PointRange {
  std::uint32_t first;
  std::uint32_t last;
};

/// Ideographs, each a word of its own. That the last but two begins at U+2B920 is the library's.
constexpr PointRange kIdeographs[] = {
    {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},   {0x20000, 0x2A6DF},
    {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF}, {0x2F800, 0x2FA1F},
};

bool is_ideograph(std::uint32_t point) noexcept {
  return std::any_of(std::begin(kIdeographs), std::end(kIdeographs),
                     [&](const PointRange& range) { return point >= range.first && point <= range.last; });
}

class WordPiece final : public PieceEncoder {
 public:
  WordPiece(const KvList& keys, const TokenTable& tokens)
      : tokens_(tokens),
        lowers_(flag_key(keys, "tokenizer.ggml.normalizer.lowercase").value_or(true)),
        strips_(flag_key(keys, "tokenizer.ggml.normalizer.strip_accents").value_or(lowers_)) {
    auto unknown = token_key(keys, "tokenizer.ggml.unknown_token_id", tokens.size());
    if (!unknown) unknown = tokens.find("[UNK]");
    if (!unknown) {
      throw Error(ErrorKind::input_invalid, "the vocabulary has no token for unknown words",
                  "tokenizer.ggml.unknown_token_id must name one");
    }
    unknown_ = *unknown;
    for (std::uint32_t id = 0; id < tokens.size(); ++id) {
      const TokenType type = tokens.type(id);
      if (type != TokenType::normal && type != TokenType::user_defined) continue;
      std::string_view text = tokens.text(id);
      const bool begins = text.starts_with(kLowerBlock);
      if (begins) text.remove_prefix(kLowerBlock.size());
      if (type == TokenType::user_defined) {
        added_.add(normalize(text), id);
      } else {
        (begins ? beginnings_ : continuations_).add(text, id);
      }
    }
  }

  /// Added tokens are looked for in what has been cleaned, within words too.
  void encode(std::string_view text, EncodeMemory& memory, std::vector<std::uint32_t>& out) const override {
    const std::string clean = normalize(text);
    std::size_t begin = 0;
    for (std::size_t at = 0; at < clean.size();) {
      const auto found = added_.longest_prefix(std::string_view(clean).substr(at));
      if (!found) {
        ++at;
        continue;
      }
      cut_words(std::string_view(clean).substr(begin, at - begin), memory, out);
      out.push_back(found->value);
      begin = at += found->length;
    }
    cut_words(std::string_view(clean).substr(begin), memory, out);
  }

  std::string bytes_of(std::uint32_t id) const override {
    return replace_all(tokens_.text(id), kLowerBlock, " ");
  }

 private:
  void cut_words(std::string_view text, EncodeMemory& memory, std::vector<std::uint32_t>& out) const {
    std::size_t begin = 0;
    const auto word_to = [&](std::size_t end) {
      if (end > begin) {
        memory.words.append(
            text.substr(begin, end - begin), out,
            [&](std::string_view fresh, std::vector<std::uint32_t>& ids) { cut_word(fresh, ids); });
      }
      begin = end;
    };
    for (std::string_view rest = text;;) {
      const std::size_t here = text.size() - rest.size();
      const auto point = take_code_point(rest);
      if (!point) break;
      const std::size_t after = text.size() - rest.size();
      if (is_white_space(*point)) {
        word_to(here);
        begin = after;
      } else if (is_punctuation(*point)) {
        word_to(here);
        word_to(after);
      }
    }
    word_to(text.size());
  }

  std::string normalize(std::string_view text) const {
    std::string out;
    out.reserve(text.size());
    while (const auto point = take_code_point(text)) {
      if (*point == 0 || *point == 0xFFFD || is_control(*point)) continue;
      if (is_white_space(*point)) {
        out += ' ';
      } else if (is_ideograph(*point)) {
        out += ' ';
        append_code_point(out, *point);
        out += ' ';
      } else {
        append_code_point(out, *point);
      }
    }
    if (strips_) out = without_accents(decompose(out));
    return lowers_ ? lower_case(out) : out;
  }

  static std::string without_accents(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (const auto point = take_code_point(text)) {
      if (!is_nonspacing_mark(*point)) append_code_point(out, *point);
    }
    return out;
  }

  void cut_word(std::string_view word, std::vector<std::uint32_t>& out) const {
    const std::size_t before = out.size();
    const auto characters = std::count_if(
        word.begin(), word.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; });
    bool known = static_cast<std::size_t>(characters) <= kMostCharacters;
    const ByteTrie* pieces = &beginnings_;
    while (known && !word.empty()) {
      const auto found = pieces->longest_prefix(word);
      known = found.has_value();
      if (!known) break;
      out.push_back(found->value);
      word.remove_prefix(found->length);
      pieces = &continuations_;
    }
    if (known) return;
    out.resize(before);
    out.push_back(unknown_);
  }

  const TokenTable& tokens_;
  bool lowers_;
  bool strips_;
  std::uint32_t unknown_ = 0;
  ByteTrie beginnings_;
  ByteTrie continuations_;
  ByteTrie added_;
};

}  // namespace

std::unique_ptr<PieceEncoder> make_wordpiece_encoder(const KvList& keys, const TokenTable& tokens) {
  return std::make_unique<WordPiece>(keys, tokens);
}

}  // namespace qtz
