// RWKV's vocabulary "World": at each place the longest token that fits. Rule: the model's own
// rwkv_tokenizer.py.
#include "model/text/byte_trie.h"
#include "model/text/piece_encoder.h"
#include "qtz/core/error.h"

namespace qtz {
namespace {

std::optional<unsigned> hexadecimal(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

/// The bytes of a text in which Python's escapes stand for what is not printable.
std::string unescape(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c != '\\' || text.empty()) {
      out += c;
      continue;
    }
    const char name = text.front();
    text.remove_prefix(1);
    const auto high = name == 'x' && text.size() >= 2 ? hexadecimal(text[0]) : std::nullopt;
    const auto low = high ? hexadecimal(text[1]) : std::nullopt;
    if (low) {
      out += static_cast<char>(*high << 4U | *low);
      text.remove_prefix(2);
    } else {
      out += name == 't' ? '\t' : name == 'n' ? '\n' : name == 'r' ? '\r' : name;
    }
  }
  return out;
}

class LongestMatch final : public PieceEncoder {
 public:
  LongestMatch(const KvList& keys, const TokenTable& tokens)
      : tokens_(tokens), unknown_(token_key(keys, "tokenizer.ggml.unknown_token_id", tokens.size())) {
    for (std::uint32_t id = 0; id < tokens.size(); ++id) {
      if (tokens.type(id) == TokenType::normal) trie_.add(unescape(tokens.text(id)), id);
    }
  }

  void encode(std::string_view text, EncodeMemory&, std::vector<std::uint32_t>& out) const override {
    while (!text.empty()) {
      const auto found = trie_.longest_prefix(text);
      if (found) {
        out.push_back(found->value);
      } else if (unknown_) {
        out.push_back(*unknown_);
      }
      text.remove_prefix(found ? found->length : 1);
    }
  }

  std::string bytes_of(std::uint32_t id) const override { return unescape(tokens_.text(id)); }

 private:
  const TokenTable& tokens_;
  std::optional<std::uint32_t> unknown_;
  ByteTrie trie_;
};

}  // namespace

std::unique_ptr<PieceEncoder> make_rwkv_encoder(const KvList& keys, const TokenTable& tokens) {
  return std::make_unique<LongestMatch>(keys, tokens);
}

}  // namespace qtz
