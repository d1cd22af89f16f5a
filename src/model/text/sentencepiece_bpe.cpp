// SentencePiece's byte pair encoding: neighbours are joined when what they make is a token, the one of the
// highest score first. Rules: sentencepiece, bpe_model.cc and sentencepiece_processor.cc.
#include <bit>

#include "model/text/byte_trie.h"
#include "model/text/piece_encoder.h"
#include "model/text/seams.h"
#include "model/text/sentencepiece_tokens.h"
#include "model/text/spaces.h"
#include "model/tokenizer/utf8.h"

namespace qtz {
namespace {

/// A number that is lower for a higher score, and the same for the same score.
std::uint32_t order_of(float score) noexcept {
  constexpr std::uint32_t kSign = 0x80000000U;
  const auto bits = std::bit_cast<std::uint32_t>(score + 0.0F);  // of the two zeros, one
  const std::uint32_t ascending = (bits & kSign) != 0 ? ~bits : bits | kSign;
  return ~ascending;
}

class SentencePieceBpe final : public PieceEncoder {
 public:
  SentencePieceBpe(const KvList& keys, const TokenTable& tokens)
      : tokens_(tokens),
        bytes_(tokens.byte_tokens(true)),
        unknown_(token_key(keys, "tokenizer.ggml.unknown_token_id", tokens.size()).value_or(0)),
        spaces_(keys, true, false) {
    const std::vector<std::uint32_t> uncut = uncut_pieces();
    for (const std::uint32_t id : uncut) uncut_.add(tokens.text(id), id);
    has_uncut_ = !uncut.empty();
    for (std::uint32_t id = 0; id < tokens.size(); ++id) {
      if (!is_piece(id) || std::binary_search(uncut.begin(), uncut.end(), id)) continue;
      const std::string& text = tokens.text(id);
      ids_.try_emplace(text, id);
      longest_ = std::max(longest_, text.size());
      seams_.learn(text);
    }
  }

  void encode(std::string_view text, EncodeMemory& memory, std::vector<std::uint32_t>& out) const override {
    std::string escaped = spaces_.escape(text);
    // The library cannot tell a U+2581 of the text from a space that it wrote so.
    while (spaces_.removes() && escaped.ends_with(kLowerBlock))
      escaped.resize(escaped.size() - kLowerBlock.size());
    const std::size_t begin = out.size();
    std::size_t done = 0;
    for (std::size_t at = 0; has_uncut_ && at < escaped.size();) {
      const auto found = uncut_.longest_prefix(std::string_view(escaped).substr(at));
      if (!found) {
        ++at;
        continue;
      }
      cut(std::string_view(escaped).substr(done, at - done), memory, out);
      out.push_back(found->value);
      done = at += found->length;
    }
    cut(std::string_view(escaped).substr(done), memory, out);
    if (bytes_.empty()) join_unknown(out, begin, unknown_);
  }

  std::string bytes_of(std::uint32_t id) const override { return bytes_of_piece(tokens_, id); }

  bool puts_space_first() const override { return spaces_.puts_first(); }

 private:
  /// What merges can make. Tokens that are looked for as they stand are found before.
  bool is_piece(std::uint32_t id) const noexcept {
    return tokens_.type(id) == TokenType::normal || tokens_.type(id) == TokenType::unused;
  }

  /// User-defined pieces are taken from a text before anything is merged, and never cut. A GGUF has them
  /// among the ordinary ones, but they have no score: 0, as has the first merge, which the second one, of
  /// score -1, follows. One alone is that merge. In ascending order.
  std::vector<std::uint32_t> uncut_pieces() const {
    std::vector<std::uint32_t> out;
    std::size_t without_score = 0;
    for (std::uint32_t id = 0; id < tokens_.size(); ++id) {
      std::string_view text = tokens_.text(id);
      if (tokens_.type(id) != TokenType::normal || tokens_.score(id) != 0.0F) continue;
      if (!take_code_point(text) || text.empty()) continue;
      ++without_score;
      const bool is_first_merge = id + 1 < tokens_.size() && tokens_.score(id + 1) == -1.0F;
      if (!is_first_merge) out.push_back(id);
    }
    return without_score > 1 ? out : std::vector<std::uint32_t>();
  }

  void cut(std::string_view text, EncodeMemory& memory, std::vector<std::uint32_t>& out) const {
    seams_.for_each_word(text, [&](std::string_view word) {
      memory.words.append(word, out, [&](std::string_view fresh, std::vector<std::uint32_t>& ids) {
        merge(fresh, memory.merging, ids);
      });
    });
  }

  std::uint32_t piece(std::string_view text) const noexcept {
    if (text.size() > longest_) return kNoToken;
    const auto known = ids_.find(text);
    return known == ids_.end() ? kNoToken : known->second;
  }

  void merge(std::string_view word, Merging& merging, std::vector<std::uint32_t>& out) const {
    merging.clear();
    for (std::string_view rest = word; !rest.empty();) {
      const std::string_view before = rest;
      take_code_point(rest);
      const std::string_view character = before.substr(0, before.size() - rest.size());
      merging.add(character.size(), piece(character));
    }
    Unmerging parts;
    merging.run([&](const MergeSymbol& left, const MergeSymbol& right) -> std::optional<Joined> {
      const std::string_view text = word.substr(left.begin, left.length + right.length);
      const std::uint32_t id = piece(text);
      if (id == kNoToken) return std::nullopt;
      if (tokens_.type(id) == TokenType::unused) parts[text] = left.length;
      return Joined{order_of(tokens_.score(id)), id};
    });
    merging.for_each([&](const MergeSymbol& symbol) {
      const std::string_view text = word.substr(symbol.begin, symbol.length);
      if (parts.empty()) {
        put_used(text, symbol.id, out);
      } else {
        put(text, symbol.id, parts, out);
      }
    });
  }

  /// How many bytes of an unused piece are the left one of the two that it was made of.
  using Unmerging = std::unordered_map<std::string_view, std::size_t>;

  /// An unused piece is given back as what it was made of, and so on.
  void put(std::string_view text, std::uint32_t id, const Unmerging& parts,
           std::vector<std::uint32_t>& out) const {
    struct Part {
      std::string_view text;
      std::uint32_t id;
    };
    std::vector<Part> left{{text, id}};  // the next one last
    while (!left.empty()) {
      const Part part = left.back();
      left.pop_back();
      const bool unused = part.id != kNoToken && tokens_.type(part.id) == TokenType::unused;
      const auto made = unused ? parts.find(part.text) : parts.end();
      if (made == parts.end()) {
        put_used(part.text, part.id, out);
        continue;
      }
      const std::string_view first = part.text.substr(0, made->second);
      const std::string_view second = part.text.substr(made->second);
      left.push_back({second, piece(second)});
      left.push_back({first, piece(first)});
    }
  }

  void put_used(std::string_view text, std::uint32_t id, std::vector<std::uint32_t>& out) const {
    if (id != kNoToken) {
      out.push_back(id);
    } else if (bytes_.empty()) {
      out.push_back(unknown_);
    } else {
      for (const char byte : text) {
        const std::uint32_t token = bytes_[static_cast<unsigned char>(byte)];
        out.push_back(token == kNoToken ? unknown_ : token);
      }
    }
  }

  const TokenTable& tokens_;
  std::vector<std::uint32_t> bytes_;
  std::uint32_t unknown_;
  Spaces spaces_;
  ByteTrie uncut_;
  bool has_uncut_ = false;
  std::unordered_map<std::string_view, std::uint32_t> ids_;
  std::size_t longest_ = 0;  ///< bytes of the longest piece
  Seams seams_;
};

}  // namespace

std::unique_ptr<PieceEncoder> make_sentencepiece_encoder(const KvList& keys, const TokenTable& tokens) {
  return std::make_unique<SentencePieceBpe>(keys, tokens);
}

}  // namespace qtz
