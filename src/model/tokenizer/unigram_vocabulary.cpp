// Unigram vocabularies: T5 and XLM-RoBERTa with the models made like them, from a SentencePiece model or from
// tokenizer.json.
#include <set>

#include "model/tokenizer/base64.h"
#include "model/tokenizer/charsmap.h"
#include "model/tokenizer/space_prefix.h"
#include "model/tokenizer/vocabulary.h"
#include "qtz/core/error.h"

namespace qtz {
namespace {

constexpr float kAddedScore = -1000.0f;
constexpr float kUnusedScore = -10000.0f;

/// What this kind writes behind its arrays.
struct Normalization {
  bool prefix_space = true;
  bool remove_spaces = true;
  std::string charsmap;  ///< empty: none
};

void write_normalization(const TokenizerInput& input, const Normalization& how, KvList& keys) {
  keys.set("tokenizer.ggml.add_space_prefix", how.prefix_space);
  if (input.policy.token_types != TokenizerPolicy::TokenTypes::ignored) write_token_types(input, keys);
  keys.set("tokenizer.ggml.remove_extra_whitespaces", how.remove_spaces);
  if (how.charsmap.empty()) return;
  std::vector<std::uint8_t> bytes(how.charsmap.begin(), how.charsmap.end());
  keys.set("tokenizer.ggml.precompiled_charsmap", GgufArray{GgufType::u8, std::move(bytes)});
}

void put(Vocabulary& out, std::size_t id, std::string text, float score, TokenType type) {
  out.scores[id] = score;
  out.put(id, std::move(text), type);
}

void refuse_size(const std::string& where, std::uint64_t pieces, std::uint64_t rows) {
  if (pieces <= rows) return;
  throw Error(ErrorKind::input_invalid,
              where + ": has " + std::to_string(pieces) + " pieces, but the model has " +
                  std::to_string(rows) + " embedding rows",
              "the tokenizer belongs to another model, or vocab_size in config.json is wrong");
}

/// fairseq puts four tokens of its own before the pieces from the third on.
void number_as_fairseq(Vocabulary& out) {
  struct Own {
    const char* text;
    TokenType type;
  };
  static constexpr Own kOwn[] = {{"<s>", TokenType::control},
                                 {"<pad>", TokenType::control},
                                 {"</s>", TokenType::control},
                                 {"<unk>", TokenType::unknown}};
  constexpr std::size_t kFirst = 3;
  for (std::size_t id = out.tokens.size() - 1; id > kFirst; --id) {
    out.tokens[id] = std::move(out.tokens[id - 1]);
    out.types[id] = out.types[id - 1];
    out.scores[id] = out.scores[id - 1];
  }
  for (std::size_t id = 0; id <= kFirst; ++id) put(out, id, kOwn[id].text, 0, kOwn[id].type);
}

void put_control_tokens(const TokenizerInput& input, Vocabulary& out) {
  for (const auto& [text, id] : input.policy.control_by_id) {
    if (id < out.tokens.size()) put(out, id, text, 0, TokenType::control);
  }
}

/// The table of a normalizer step "Precompiled", wherever it stands.
const std::string* find_charsmap(const JsonValue& step) {
  const JsonValue* table = step.find("precompiled_charsmap");
  if (table != nullptr && table->as_string() != nullptr) return table->as_string();
  const JsonValue* parts = step.find("normalizers");
  if (parts == nullptr || parts->as_array() == nullptr) return nullptr;
  for (const JsonValue& part : *parts->as_array()) {
    if (const std::string* found = find_charsmap(part)) return found;
  }
  return nullptr;
}

Normalization normalization_of(const TokenizerInput& input, const std::string& where) {
  Normalization how;
  const auto stated = input.hub.config_flag("add_prefix_space");
  how.prefix_space = stated ? *stated : prepends_space(*input.json).value_or(true);
  how.remove_spaces = input.hub.config_flag("clean_up_tokenization_spaces").value_or(true);
  if (const std::string* table = find_charsmap(input.json->normalizer)) {
    auto bytes = decode_base64(*table);
    if (!bytes) {
      throw Error(ErrorKind::input_invalid, where + ": 'precompiled_charsmap' is not Base64",
                  "fetch the file again");
    }
    how.charsmap = std::move(*bytes);
    check_charsmap(how.charsmap, where);
  }
  return how;
}

std::set<std::string, std::less<>> special_texts(const TokenizerInput& input) {
  std::set<std::string, std::less<>> out(input.hub.named_specials().begin(),
                                         input.hub.named_specials().end());
  out.insert(input.hub.listed_specials().begin(), input.hub.listed_specials().end());
  for (std::string& text : input.hub.class_specials()) out.insert(std::move(text));
  return out;
}

}  // namespace

std::string find_unigram_file(const TokenizerInput& input) {
  for (const std::string& name : input.policy.unigram_files) {
    if (input.hub.has(name)) return name;
  }
  return {};
}

Vocabulary read_unigram_vocabulary(TokenizerInput& input) {
  const auto path = input.hub.path(find_unigram_file(input));
  const std::string where = printable(path.native());
  SentencePieceModel model = read_sentencepiece_model(path);
  if (model.algorithm != SentencePieceModel::Algorithm::unigram) {
    throw Error(ErrorKind::input_invalid, where + ": is no unigram model, which this architecture needs");
  }
  if (!model.precompiled_charsmap.empty()) check_charsmap(model.precompiled_charsmap, where);
  const std::size_t count = model.pieces.size();
  Vocabulary out;
  out.model = "t5";
  out.pre = "default";
  out.token_count = count + (input.policy.fairseq_order ? 1 : 0);
  const std::uint64_t size = input.vocab_size != 0 ? input.vocab_size : out.token_count;
  refuse_size(where, out.token_count, size);
  out.pad_to(std::max<std::uint64_t>(size, 4), kUnusedScore);
  for (std::size_t id = 0; id < count; ++id) {
    SentencePieceModel::Piece& piece = model.pieces[id];
    put(out, id, std::move(piece.text), piece.score, type_of(piece.type));
  }
  if (input.policy.fairseq_order) {
    number_as_fairseq(out);
    put_control_tokens(input, out);
  } else {
    for (AddedToken& token : input.hub.added_tokens_file()) {
      if (token.id >= out.tokens.size()) {
        input.warnings.push_back("added token '" + printable(token.content) + "' has id " +
                                 std::to_string(token.id) + ", beyond the " +
                                 std::to_string(out.tokens.size()) + " embedding rows: left out");
        continue;
      }
      out.added.emplace_back(token.content, static_cast<std::uint32_t>(token.id));
      put(out, static_cast<std::size_t>(token.id), std::move(token.content), kAddedScore,
          TokenType::user_defined);
    }
  }
  write_normalization(
      input, {model.add_dummy_prefix, model.remove_extra_whitespaces, std::move(model.precompiled_charsmap)},
      out.keys);
  return out;
}

Vocabulary read_unigram_json_vocabulary(TokenizerInput& input) {
  TokenizerJson& json = *input.json;
  const std::string where = printable(input.hub.path("tokenizer.json").native());
  const std::vector<ScoredPiece> pieces = std::move(json.pieces);
  if (pieces.empty()) throw Error(ErrorKind::input_invalid, where + ": the vocabulary is empty");
  const std::size_t count = pieces.size();
  const std::uint64_t size = input.vocab_size != 0 ? input.vocab_size : count;
  refuse_size(where, count, size);
  Vocabulary out;
  out.model = "t5";
  out.pre = "default";
  out.token_count = count;
  out.pad_to(size, kUnusedScore);
  const auto special = special_texts(input);
  for (std::size_t id = 0; id < count; ++id) {
    const TokenType type = special.contains(pieces[id].text) ? TokenType::control : TokenType::normal;
    put(out, id, pieces[id].text, pieces[id].score, type);
  }
  for (const AddedToken& token : json.added_tokens) {
    if (token.id >= size) {
      input.warnings.push_back("added token '" + printable(token.content) + "' has id " +
                               std::to_string(token.id) + ", beyond the " + std::to_string(size) +
                               " embedding rows: left out");
      continue;
    }
    const auto id = static_cast<std::size_t>(token.id);
    const bool control = special.contains(token.content) || (id >= count && token.special);
    out.added.emplace_back(token.content, static_cast<std::uint32_t>(id));
    put(out, id, token.content, id < count ? pieces[id].score : kAddedScore,
        control ? TokenType::control : TokenType::user_defined);
    out.token_count = std::max(out.token_count, token.id + 1);
  }
  constexpr std::uint64_t kUsualUnknown = 3;
  const std::uint64_t unknown = json.unknown_id.value_or(kUsualUnknown);
  if (unknown < count) out.types[unknown] = static_cast<std::int32_t>(TokenType::unknown);
  put_control_tokens(input, out);
  write_normalization(input, normalization_of(input, where), out.keys);
  return out;
}

}  // namespace qtz
