// The vocabulary of a GGUF as encoders read it: texts, types and scores by token, checked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/tokenizer/vocabulary.h"
#include "qtz/formats/gguf_value.h"

namespace qtz {

/// No token's number.
inline constexpr std::uint32_t kNoToken = UINT32_MAX;

/// Keeps its place: the index points into it.
class TokenTable {
 public:
  /// From tokenizer.ggml.tokens, .token_type and .scores; without types all tokens are ordinary, without
  /// scores all have 0. Throws input_invalid for keys of another type, arrays of other lengths, no tokens.
  explicit TokenTable(const KvList& keys);
  TokenTable(const TokenTable&) = delete;
  TokenTable& operator=(const TokenTable&) = delete;

  std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(tokens_.size()); }
  const std::string& text(std::uint32_t id) const { return tokens_[id]; }
  TokenType type(std::uint32_t id) const noexcept { return types_[id]; }
  float score(std::uint32_t id) const noexcept { return scores_.empty() ? 0 : scores_[id]; }

  /// The first token of that text, whatever its type.
  std::optional<std::uint32_t> find(std::string_view text) const noexcept;

  /// The tokens "<0x00>" to "<0xFF>", kNoToken for one that is not there; empty when none is. Where types
  /// tell bytes from other tokens, by_type keeps to those.
  std::vector<std::uint32_t> byte_tokens(bool by_type) const;

 private:
  template <typename Number>
  void set_types(const std::vector<Number>& numbers);

  std::vector<std::string> tokens_;
  std::vector<TokenType> types_;
  std::vector<float> scores_;
  std::unordered_map<std::string_view, std::uint32_t> ids_;
};

/// Values of the metadata; empty when the key is not there. Throw input_invalid for one of another type.
std::optional<std::string> text_key(const KvList& keys, const std::string& name);
std::optional<bool> flag_key(const KvList& keys, const std::string& name);
/// A token's number; also throws when the vocabulary has not so many.
std::optional<std::uint32_t> token_key(const KvList& keys, const std::string& name, std::uint32_t count);
/// An array of texts; null when it is not there.
const std::vector<std::string>* texts_key(const KvList& keys, const std::string& name);

}  // namespace qtz
