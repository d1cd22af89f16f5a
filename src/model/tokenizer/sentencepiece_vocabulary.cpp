// Vocabularies from tokenizer.model, with the tokens that a hub folder adds or renames.
#include "model/tokenizer/sentencepiece_model.h"
#include "model/tokenizer/utf8.h"
#include "model/tokenizer/vocabulary.h"
#include "qtz/core/error.h"

namespace qtz {

TokenType type_of(SentencePieceModel::PieceType type) noexcept {
  switch (type) {
    case SentencePieceModel::PieceType::unknown:
      return TokenType::unknown;
    case SentencePieceModel::PieceType::control:
      return TokenType::control;
    case SentencePieceModel::PieceType::unused:
      return TokenType::unused;
    case SentencePieceModel::PieceType::byte:
      return TokenType::byte;
    case SentencePieceModel::PieceType::normal:
    case SentencePieceModel::PieceType::user_defined:
      break;
  }
  return TokenType::normal;
}

namespace {

constexpr float kAddedScore = -1000.0f;
constexpr float kUnusedScore = -10000.0f;
constexpr std::string_view kZeroCharacter("\0", 1);

class Builder {
 public:
  explicit Builder(TokenizerInput& input) : input_(input) {}

  Vocabulary build() {
    const auto path = input_.hub.path("tokenizer.model");
    SentencePieceModel model = read_sentencepiece_model(path);
    out_.model = "llama";
    out_.pre = "default";
    out_.pad_to(input_.vocab_size != 0 ? input_.vocab_size : model.pieces.size(), kUnusedScore);
    const std::size_t count = model.pieces.size();
    if (count > out_.tokens.size()) {
      throw Error(ErrorKind::input_invalid,
                  printable(path.native()) + ": has " + std::to_string(count) +
                      " pieces, but the model has " + std::to_string(out_.tokens.size()) + " embedding rows",
                  "the tokenizer belongs to another model, or vocab_size in config.json is wrong");
    }
    for (std::size_t id = 0; id < count; ++id) {
      SentencePieceModel::Piece& piece = model.pieces[id];
      check_byte_piece(piece, id, path);
      out_.scores[id] = piece.score;
      const TokenType type = type_in_family(piece, model.byte_fallback);
      if (piece.text == kZeroCharacter && !input_.policy.zero_text.empty()) {
        piece.text = input_.policy.zero_text;
      }
      out_.put(id, std::move(piece.text), type);
    }
    if (byte_pieces_ > 0 && byte_pieces_ < 256) {
      input_.warnings.push_back(printable(path.native()) + ": has only " + std::to_string(byte_pieces_) +
                                " of the 256 byte tokens: other bytes become unknown tokens");
    }
    if (model.algorithm == SentencePieceModel::Algorithm::unigram) {
      input_.warnings.push_back(printable(path.native()) +
                                ": is a unigram model; llama.cpp cuts texts by merging, which may differ");
    }
    out_.add_dummy_prefix = model.add_dummy_prefix;
    // The converter says this of unigram models only, and llama.cpp passes it over in others. Without it
    // nobody can tell from the file what sentencepiece does to runs of spaces.
    if (model.remove_extra_whitespaces) out_.keys.set("tokenizer.ggml.remove_extra_whitespaces", true);
    used_ = count;
    if (!input_.policy.redefined_pieces) {
      for (AddedToken& token : input_.hub.added_tokens_file()) {
        put(token.id, std::move(token.content), TokenType::user_defined);
      }
    }
    for (const AddedToken& token : input_.hub.config_tokens()) add(token);
    if (input_.policy.plain_added_tokens && input_.json) {
      for (const AddedToken& token : input_.json->added_tokens) add(token);
    }
    if (dropped_ > 0) {
      input_.warnings.push_back(std::to_string(dropped_) + " added tokens (first '" +
                                printable(first_dropped_) + "') have ids beyond the " +
                                std::to_string(out_.tokens.size()) + " embedding rows: left out");
    }
    out_.token_count = used_;
    return std::move(out_);
  }

 private:
  /// llama.cpp takes the byte from the text without looking.
  void check_byte_piece(const SentencePieceModel::Piece& piece, std::size_t id,
                        const std::filesystem::path& path) {
    if (piece.type != SentencePieceModel::PieceType::byte) return;
    if (!is_byte_token(piece.text)) {
      throw Error(ErrorKind::input_invalid, printable(path.native()) + ": piece " + std::to_string(id) +
                                                " stands for a byte but is '" + printable(piece.text) + "'");
    }
    ++byte_pieces_;
  }

  TokenType type_in_family(const SentencePieceModel::Piece& piece, bool byte_fallback) const {
    // As the sentencepiece library has it: a piece for the byte is there as well.
    if (byte_fallback && piece.text == kZeroCharacter) return TokenType::unused;
    const std::string& prefix = input_.policy.unused_prefix;
    return !prefix.empty() && piece.text.starts_with(prefix) ? TokenType::unused : type_of(piece.type);
  }

  /// An added token that takes a piece's place.
  void redefine(const AddedToken& token) {
    const JsonValue* unknown = input_.hub.config().find("unk_token");
    const std::string* text = unknown == nullptr ? nullptr : token_text(*unknown);
    const bool is_unknown = text != nullptr && *text == token.content;
    put(token.id, token.content,
        !token.special ? TokenType::user_defined
        : is_unknown   ? TokenType::unknown
                       : TokenType::control,
        token.special ? 0.0F : kUnusedScore);
  }

  void add(const AddedToken& token) {
    if (input_.policy.redefined_pieces) {
      redefine(token);
    } else if (input_.policy.plain_added_tokens) {
      put(token.id, token.content, token.special ? TokenType::control : TokenType::user_defined);
    } else if (token.special || looks_special(token.content)) {
      put(token.id, token.content, TokenType::control);
    } else {
      put(token.id, replace_all(token.content, kLowerBlock, " "), TokenType::user_defined);
    }
  }

  void put(std::uint64_t id, std::string text, TokenType type, float score = kAddedScore) {
    if (id >= out_.tokens.size()) {
      if (dropped_++ == 0) first_dropped_ = std::move(text);
      return;
    }
    const auto at = static_cast<std::size_t>(id);
    out_.added.emplace_back(text, static_cast<std::uint32_t>(id));
    out_.put(at, std::move(text), type);
    out_.scores[at] = score;
    used_ = std::max(used_, id + 1);
  }

  TokenizerInput& input_;
  Vocabulary out_;
  std::uint64_t used_ = 0;
  std::uint64_t byte_pieces_ = 0;
  std::uint64_t dropped_ = 0;
  std::string first_dropped_;
};

}  // namespace

Vocabulary read_sentencepiece_vocabulary(TokenizerInput& input) {
  return Builder(input).build();
}

}  // namespace qtz
