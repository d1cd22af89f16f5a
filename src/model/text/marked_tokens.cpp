#include "model/text/marked_tokens.h"

#include "model/text/unicode.h"
#include "model/tokenizer/utf8.h"
#include "qtz/core/text.h"

namespace qtz {
namespace {

/// Phi-3's special tokens take the spaces behind them, but for these. A GGUF says so only by the model's
/// name. Source: the model's tokenizer.json; llama.cpp, llama-vocab.cpp.
bool is_phi3(const KvList& keys) {
  const std::string name = ascii_lower(text_key(keys, "general.name").value_or(""));
  return name.find("phi-3") != std::string::npos || name.find("phi3") != std::string::npos;
}
/// An added token that is not special; the converter takes it for the ordinary one that the vocabulary has,
/// too.
constexpr std::string_view kAddedInPhi3 = "</s>";
bool keeps_spaces_in_phi3(std::string_view text) noexcept {
  return text == "<unk>" || text == "<s>" || text == "<|endoftext|>";
}

}  // namespace

MarkedTokens::MarkedTokens(const KvList& keys, const TokenTable& tokens) : rules_(tokens.size()) {
  const bool phi3 = is_phi3(keys);
  // BERT's added tokens are looked for in its normalized text: see wordpiece.cpp.
  const bool bert = text_key(keys, "tokenizer.ggml.model") == "bert";
  for (std::uint32_t id = 0; id < tokens.size(); ++id) {
    const TokenType type = tokens.type(id);
    const bool special = type == TokenType::control || type == TokenType::unknown;
    const bool added = type == TokenType::user_defined || (phi3 && tokens.text(id) == kAddedInPhi3);
    if (!special && (bert || !added)) continue;
    trie_.add(tokens.text(id), id);
    rules_[id].special = special;
    rules_[id].takes_spaces_behind = phi3 && !keeps_spaces_in_phi3(tokens.text(id));
  }
  // RoBERTa and the models made like it. BERT's, "[MASK]", does not.
  const auto mask = token_key(keys, "tokenizer.ggml.mask_token_id", tokens.size());
  const bool modern = text_key(keys, "tokenizer.ggml.pre") == "modern-bert";
  if (mask && (modern || tokens.text(*mask) == "<mask>")) rules_[*mask].takes_spaces_before = true;
}

std::size_t MarkedTokens::without_spaces_before(std::string_view text, std::size_t begin,
                                                std::size_t end) noexcept {
  while (end > begin) {
    std::size_t last = end - 1;
    while (last > begin && (static_cast<unsigned char>(text[last]) & 0xC0U) == 0x80U) --last;
    std::string_view character = text.substr(last, end - last);
    const auto point = take_code_point(character);
    if (!point || !is_white_space(*point)) break;
    end = last;
  }
  return end;
}

std::size_t MarkedTokens::behind_spaces(std::string_view text, std::size_t at) noexcept {
  while (true) {
    std::string_view rest = text.substr(at);
    const auto point = take_code_point(rest);
    if (!point || !is_white_space(*point)) return at;
    at = text.size() - rest.size();
  }
}

}  // namespace qtz
