// Byte pair encoding of characters: merges are listed, and a character that is no token becomes the tokens of
// its bytes. A space is written as U+2581 (Gemma 4), or the text is cut into words. Rules: `tokenizers`,
// models/bpe/model.rs.
#include "model/text/merge_table.h"
#include "model/text/piece_encoder.h"
#include "model/text/seams.h"
#include "model/text/unicode.h"
#include "model/tokenizer/utf8.h"

namespace qtz {
namespace {

class CharacterBpe final : public PieceEncoder {
 public:
  /// Without `cuts` spaces are written as U+2581.
  CharacterBpe(std::unique_ptr<const TextCuts> cuts, const KvList& keys, const TokenTable& tokens)
      : tokens_(tokens),
        cuts_(std::move(cuts)),
        merges_(keys, tokens),
        bytes_(tokens.byte_tokens(false)),
        unknown_(token_key(keys, "tokenizer.ggml.unknown_token_id", tokens.size())),
        prefix_(cuts_ == nullptr && flag_key(keys, "tokenizer.ggml.add_space_prefix").value_or(false)),
        lowers_(flag_key(keys, "tokenizer.ggml.normalizer.lowercase").value_or(false)) {
    for (std::uint32_t id = 0; id < tokens.size(); ++id) {
      if (tokens.type(id) == TokenType::normal) seams_.learn(tokens.text(id));
    }
  }

  void encode(std::string_view text, EncodeMemory& memory, std::vector<std::uint32_t>& out) const override {
    std::string lowered;
    if (lowers_) text = lowered = lower_case(text);
    if (cuts_) {
      cuts_->for_each_piece(text, memory.walks,
                            [&](std::string_view piece) { cut_piece(piece, memory, out); });
    } else {
      const std::string escaped = replace_all(text, " ", kLowerBlock);
      cut_piece(prefix_ ? std::string(kLowerBlock) + escaped : escaped, memory, out);
    }
  }

  std::string bytes_of(std::uint32_t id) const override {
    const std::string& text = tokens_.text(id);
    if (!is_byte_token(text)) return replace_all(text, kLowerBlock, " ");
    return std::string(1, static_cast<char>(std::stoi(text.substr(3, 2), nullptr, 16)));
  }

  bool puts_space_first() const override { return prefix_; }

 private:
  void cut_piece(std::string_view piece, EncodeMemory& memory, std::vector<std::uint32_t>& out) const {
    const std::size_t begin = out.size();
    seams_.for_each_word(piece, [&](std::string_view word) {
      memory.words.append(word, out, [&](std::string_view fresh, std::vector<std::uint32_t>& ids) {
        merge(fresh, memory.merging, ids);
      });
    });
    if (unknown_) fuse_unknown(out, begin);
  }

  void merge(std::string_view word, Merging& merging, std::vector<std::uint32_t>& out) const {
    merging.clear();
    for (std::string_view rest = word; !rest.empty();) {
      const std::string_view before = rest;
      take_code_point(rest);
      add_character(before.substr(0, before.size() - rest.size()), merging);
    }
    merging.run([&](const MergeSymbol& left, const MergeSymbol& right) { return merges_.join(left, right); });
    merging.for_each([&](const MergeSymbol& symbol) {
      if (symbol.id != kNoToken) out.push_back(symbol.id);
    });
  }

  void add_character(std::string_view character, Merging& merging) const {
    if (const auto id = tokens_.find(character)) {
      merging.add(character.size(), *id);
      return;
    }
    const auto token_of = [&](char byte) { return bytes_[static_cast<unsigned char>(byte)]; };
    const bool has_bytes = !bytes_.empty() && std::all_of(character.begin(), character.end(), [&](char byte) {
      return token_of(byte) != kNoToken;
    });
    if (has_bytes) {
      for (const char byte : character) merging.add(1, token_of(byte));
    } else {
      merging.add(character.size(), unknown_.value_or(kNoToken));
    }
  }

  /// Unknown characters side by side are one unknown token.
  void fuse_unknown(std::vector<std::uint32_t>& out, std::size_t begin) const {
    const auto first = out.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto same = [&](std::uint32_t a, std::uint32_t b) { return a == *unknown_ && b == *unknown_; };
    out.erase(std::unique(first, out.end(), same), out.end());
  }

  const TokenTable& tokens_;
  std::unique_ptr<const TextCuts> cuts_;
  MergeTable merges_;
  std::vector<std::uint32_t> bytes_;
  std::optional<std::uint32_t> unknown_;
  bool prefix_;
  bool lowers_;
  Seams seams_;
};

}  // namespace

std::unique_ptr<PieceEncoder> make_character_bpe_encoder(const KvList& keys, const TokenTable& tokens) {
  return std::make_unique<CharacterBpe>(nullptr, keys, tokens);
}

std::unique_ptr<PieceEncoder> make_cut_character_bpe_encoder(std::unique_ptr<const TextCuts> cuts,
                                                             const KvList& keys, const TokenTable& tokens) {
  return std::make_unique<CharacterBpe>(std::move(cuts), keys, tokens);
}

}  // namespace qtz
