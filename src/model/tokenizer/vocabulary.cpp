#include "model/tokenizer/vocabulary.h"

#include <algorithm>
#include <unordered_map>

#include "qtz/core/error.h"

namespace qtz {

void Vocabulary::pad_to(std::uint64_t size, std::optional<float> score) {
  for (std::uint64_t id = tokens.size(); id < size; ++id) {
    tokens.push_back("[PAD" + std::to_string(id) + "]");
    types.push_back(static_cast<std::int32_t>(TokenType::unused));
    if (score) scores.push_back(*score);
  }
}

void Vocabulary::put(std::size_t id, std::string text, TokenType type) {
  tokens[id] = std::move(text);
  types[id] = static_cast<std::int32_t>(type);
}

std::optional<std::uint32_t> Vocabulary::find_added(std::string_view text) const noexcept {
  const auto known =
      std::find_if(added.begin(), added.end(), [&](const auto& token) { return token.first == text; });
  return known == added.end() ? std::nullopt : std::optional(known->second);
}

void write_token_types(const TokenizerInput& input, KvList& keys) {
  const JsonValue* value = input.config.find("type_vocab_size");
  const auto count = value != nullptr ? value->as_uint() : std::nullopt;
  const bool stated = count && *count <= UINT32_MAX;
  keys.set("tokenizer.ggml.token_type_count", stated ? static_cast<std::uint32_t>(*count) : std::uint32_t{1});
}

bool looks_special(std::string_view text) noexcept {
  static constexpr std::string_view kKnown[] = {"<pad>", "<mask>", "<2mass>", "[@BOS@]"};
  const auto framed = [&](std::string_view begin, std::string_view end) {
    return text.starts_with(begin) && text.ends_with(end);
  };
  return std::find(std::begin(kKnown), std::end(kKnown), text) != std::end(kKnown) || framed("<|", "|>") ||
         framed("<\xEF\xBD\x9C", "\xEF\xBD\x9C>") || framed("<unused", ">");
}

bool is_byte_token(std::string_view text) noexcept {
  const auto hexadecimal = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  };
  return text.size() == 6 && text.starts_with("<0x") && text[5] == '>' && hexadecimal(text[3]) &&
         hexadecimal(text[4]);
}

void check_distinct_tokens(const std::vector<std::string>& tokens, std::string_view where) {
  std::unordered_map<std::string_view, std::size_t> ids;
  ids.reserve(tokens.size());
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].empty()) continue;
    const auto [first, fresh] = ids.try_emplace(tokens[id], id);
    if (fresh) continue;
    throw Error(
        ErrorKind::input_invalid,
        std::string(where) + ": the tokens " + std::to_string(first->second) + " and " + std::to_string(id) +
            " are both '" + printable(tokens[id]) + "'",
        "llama.cpp stops on a vocabulary with a text twice; the added tokens of the folder (tokenizer.json, "
        "added_tokens.json, tokenizer_config.json) contradict its vocabulary");
  }
}

void check_vocabulary_size(std::uint64_t size, std::string_view where) {
  if (size > kMaxVocabulary) {
    throw Error(ErrorKind::input_invalid, std::string(where) + ": a vocabulary of " + std::to_string(size) +
                                              " tokens is more than " + std::to_string(kMaxVocabulary));
  }
}

}  // namespace qtz
