// Unigram vocabularies: of all ways to cut a word into pieces, the one of the highest sum of scores. Rules:
// `tokenizers`, models/unigram/model.rs and pre_tokenizers/metaspace.rs; sentencepiece, unigram_model.cc.
#include <charconv>
#include <cmath>
#include <limits>

#include "model/text/byte_trie.h"
#include "model/text/character_table.h"
#include "model/text/piece_encoder.h"
#include "model/text/sentencepiece_tokens.h"
#include "model/text/spaces.h"
#include "model/tokenizer/utf8.h"
#include "qtz/core/error.h"

namespace qtz {
namespace {

/// How much less than the least likely piece an unknown character is.
constexpr double kUnknownPenalty = 10.0;

/// A score as `tokenizers` has it, which reads it from JSON as its digits divided by a power of ten: not
/// always the nearest number. Ways whose sums are the same on paper ("-" before or behind "---") are told
/// apart by that.
double as_read_from_json(float score) {
  char text[32];
  const auto end =
      std::to_chars(text, text + sizeof text, std::abs(double{score}), std::chars_format::scientific).ptr;
  const char* const e = std::find(text, end, 'e');
  std::uint64_t digits = 0;
  int exponent = 0;
  for (const char* at = text; at != e; ++at) {
    if (*at == '.') continue;
    digits = 10 * digits + static_cast<std::uint64_t>(*at - '0');
    if (at > text) --exponent;
  }
  int shift = 0;
  std::from_chars(e + (e[1] == '+' ? 2 : 1), end, shift);
  exponent += shift;
  const double power = std::pow(10.0, std::abs(exponent));
  const double value =
      exponent < 0 ? static_cast<double>(digits) / power : static_cast<double>(digits) * power;
  return score < 0 ? -value : value;
}

CharacterTable table_of(const KvList& keys) {
  const GgufValue* value = keys.find("tokenizer.ggml.precompiled_charsmap");
  if (value == nullptr) return {};
  const GgufArray* array = value->as_array();
  if (array != nullptr) {
    if (const auto* bytes = std::get_if<std::vector<std::uint8_t>>(&array->elements)) {
      return bytes->empty() ? CharacterTable() : CharacterTable(std::string(bytes->begin(), bytes->end()));
    }
    if (const auto* bytes = std::get_if<std::vector<std::int8_t>>(&array->elements)) {
      return bytes->empty() ? CharacterTable() : CharacterTable(std::string(bytes->begin(), bytes->end()));
    }
  }
  throw Error(ErrorKind::input_invalid, "the key 'tokenizer.ggml.precompiled_charsmap' holds no bytes");
}

class Unigram final : public PieceEncoder {
 public:
  Unigram(const KvList& keys, const TokenTable& tokens)
      : tokens_(tokens),
        bytes_(tokens.byte_tokens(true)),
        characters_(table_of(keys)),
        spaces_(keys, true, true) {
    double least = std::numeric_limits<double>::max();
    scores_.resize(tokens.size());
    auto unknown = token_key(keys, "tokenizer.ggml.unknown_token_id", tokens.size());
    for (std::uint32_t id = 0; id < tokens.size(); ++id) {
      const TokenType type = tokens.type(id);
      if (type == TokenType::unknown && !unknown) unknown = id;
      if (type != TokenType::normal) continue;
      if (!std::isfinite(tokens.score(id))) {
        throw Error(ErrorKind::input_invalid,
                    "token " + std::to_string(id) + " has a score that is no number (tokenizer.ggml.scores)");
      }
      scores_[id] = as_read_from_json(tokens.score(id));
      least = std::min(least, scores_[id]);
      pieces_.add(tokens.text(id), id);
    }
    if (!unknown) {
      throw Error(ErrorKind::input_invalid, "the vocabulary has no token for unknown characters",
                  "tokenizer.ggml.unknown_token_id must name one");
    }
    unknown_ = *unknown;
    unknown_score_ = least - kUnknownPenalty;
  }

  void encode(std::string_view text, EncodeMemory& memory, std::vector<std::uint32_t>& out) const override {
    const std::string escaped = spaces_.escape(characters_.apply(text));
    const std::size_t begin = out.size();
    for (std::string_view rest = escaped; !rest.empty();) {
      // A word begins with U+2581, and none is within one.
      const auto end = std::min(rest.find(kLowerBlock, 1), rest.size());
      const std::string_view word = rest.substr(0, end);
      rest.remove_prefix(end);
      memory.words.append(
          word, out, [&](std::string_view fresh, std::vector<std::uint32_t>& ids) { cut_word(fresh, ids); });
    }
    if (bytes_.empty()) join_unknown(out, begin, unknown_);
  }

  std::string bytes_of(std::uint32_t id) const override { return bytes_of_piece(tokens_, id); }

  bool puts_space_first() const override { return spaces_.puts_first(); }

 private:
  /// The best way to reach a place: by `id` from `from`.
  struct Arrival {
    double score = -std::numeric_limits<double>::infinity();
    std::uint32_t from = 0;
    std::uint32_t id = kNoToken;
  };

  void cut_word(std::string_view word, std::vector<std::uint32_t>& out) const {
    std::vector<Arrival> best(word.size() + 1);
    best[0].score = 0;
    for (std::size_t at = 0; at < word.size();) {
      std::string_view rest = word.substr(at);
      take_code_point(rest);
      const std::size_t character = word.size() - at - rest.size();
      const auto arrive = [&](std::size_t length, double score, std::uint32_t id) {
        Arrival& there = best[at + length];
        const double sum = best[at].score + score;
        if (there.id == kNoToken || sum > there.score) there = {sum, static_cast<std::uint32_t>(at), id};
      };
      bool alone = false;  // the character is a piece
      pieces_.for_each_prefix(word.substr(at), [&](std::size_t length, std::uint32_t id) {
        arrive(length, scores_[id], id);
        alone |= length == character;
      });
      if (!alone) arrive(character, unknown_score_, unknown_);
      at += character;
    }
    std::vector<std::size_t> ends;
    for (std::size_t at = word.size(); at > 0; at = best[at].from) ends.push_back(at);
    for (auto end = ends.rbegin(); end != ends.rend(); ++end) {
      const Arrival& piece = best[*end];
      if (piece.id == unknown_ && !bytes_.empty()) {
        put_bytes(word.substr(piece.from, *end - piece.from), out);
      } else {
        out.push_back(piece.id);
      }
    }
  }

  void put_bytes(std::string_view character, std::vector<std::uint32_t>& out) const {
    for (const char byte : character) {
      const std::uint32_t token = bytes_[static_cast<unsigned char>(byte)];
      out.push_back(token == kNoToken ? unknown_ : token);
    }
  }

  const TokenTable& tokens_;
  std::vector<std::uint32_t> bytes_;
  CharacterTable characters_;
  Spaces spaces_;
  std::vector<double> scores_;
  std::uint32_t unknown_ = 0;
  double unknown_score_ = 0;
  ByteTrie pieces_;
};

}  // namespace

std::unique_ptr<PieceEncoder> make_unigram_encoder(const KvList& keys, const TokenTable& tokens) {
  return std::make_unique<Unigram>(keys, tokens);
}

}  // namespace qtz
