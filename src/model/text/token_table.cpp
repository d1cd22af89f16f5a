#include "model/text/token_table.h"

#include "qtz/core/error.h"

namespace qtz {
namespace {

[[noreturn]] void refuse(const std::string& problem) {
  throw Error(ErrorKind::input_invalid, problem,
              "the file's vocabulary is damaged or of a kind that is not known");
}

const GgufArray* array_key(const KvList& keys, const std::string& name) {
  const GgufValue* value = keys.find(name);
  if (value == nullptr) return nullptr;
  if (value->as_array() == nullptr) refuse("the key '" + name + "' is no array");
  return value->as_array();
}

template <typename T>
const std::vector<T>* elements_key(const KvList& keys, const std::string& name, std::size_t count) {
  const GgufArray* array = array_key(keys, name);
  if (array == nullptr) return nullptr;
  const auto* elements = std::get_if<std::vector<T>>(&array->elements);
  if (elements == nullptr) return nullptr;
  if (elements->size() != count) {
    refuse("the key '" + name + "' has " + std::to_string(elements->size()) + " values for " +
           std::to_string(count) + " tokens");
  }
  return elements;
}

}  // namespace

template <typename Number>
void TokenTable::set_types(const std::vector<Number>& numbers) {
  constexpr auto kFirst = static_cast<Number>(TokenType::normal);
  constexpr auto kLast = static_cast<Number>(TokenType::byte);
  for (std::size_t id = 0; id < numbers.size(); ++id) {
    // llama.cpp takes 0 for an ordinary token, and files with it are about.
    if (numbers[id] >= kFirst && numbers[id] <= kLast) types_[id] = static_cast<TokenType>(numbers[id]);
  }
}

TokenTable::TokenTable(const KvList& keys) {
  const std::vector<std::string>* tokens = texts_key(keys, "tokenizer.ggml.tokens");
  if (tokens == nullptr || tokens->empty()) refuse("the model has no vocabulary (tokenizer.ggml.tokens)");
  check_vocabulary_size(tokens->size(), "tokenizer.ggml.tokens");
  tokens_ = *tokens;
  const std::string kTypes = "tokenizer.ggml.token_type";
  types_.assign(tokens_.size(), TokenType::normal);
  if (const auto* types = elements_key<std::int32_t>(keys, kTypes, tokens_.size())) {
    set_types(*types);
  } else if (const auto* unsigned_types = elements_key<std::uint32_t>(keys, kTypes, tokens_.size())) {
    set_types(*unsigned_types);
  } else if (keys.find(kTypes) != nullptr) {
    refuse("the key '" + kTypes + "' holds no i32");
  }
  // The scores of a vocabulary that merges by rank may be integers; nobody reads them.
  const auto* scores = elements_key<float>(keys, "tokenizer.ggml.scores", tokens_.size());
  if (scores != nullptr) scores_ = *scores;
  ids_.reserve(tokens_.size());
  for (std::uint32_t id = 0; id < tokens_.size(); ++id) ids_.try_emplace(tokens_[id], id);
}

std::optional<std::uint32_t> TokenTable::find(std::string_view text) const noexcept {
  const auto known = ids_.find(text);
  return known == ids_.end() ? std::nullopt : std::optional(known->second);
}

std::vector<std::uint32_t> TokenTable::byte_tokens(bool by_type) const {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::vector<std::uint32_t> out(256, kNoToken);
  bool any = false;
  for (std::size_t byte = 0; byte < out.size(); ++byte) {
    const auto id = find(std::string("<0x") + kDigits[byte / 16] + kDigits[byte % 16] + ">");
    if (!id || (by_type && type(*id) != TokenType::byte)) continue;
    out[byte] = *id;
    any = true;
  }
  return any ? out : std::vector<std::uint32_t>();
}

std::optional<std::string> text_key(const KvList& keys, const std::string& name) {
  const GgufValue* value = keys.find(name);
  if (value == nullptr) return std::nullopt;
  if (value->as_string() == nullptr) refuse("the key '" + name + "' is no text");
  return *value->as_string();
}

std::optional<bool> flag_key(const KvList& keys, const std::string& name) {
  const GgufValue* value = keys.find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->as_bool()) refuse("the key '" + name + "' is neither true nor false");
  return value->as_bool();
}

std::optional<std::uint32_t> token_key(const KvList& keys, const std::string& name, std::uint32_t count) {
  const GgufValue* value = keys.find(name);
  if (value == nullptr) return std::nullopt;
  const auto id = value->as_uint();
  if (!id || *id >= count) {
    refuse("the key '" + name + "' is no token of the vocabulary, which has " + std::to_string(count));
  }
  return static_cast<std::uint32_t>(*id);
}

const std::vector<std::string>* texts_key(const KvList& keys, const std::string& name) {
  const GgufArray* array = array_key(keys, name);
  if (array == nullptr) return nullptr;
  const auto* texts = std::get_if<std::vector<std::string>>(&array->elements);
  if (texts == nullptr) refuse("the key '" + name + "' holds no texts");
  return texts;
}

}  // namespace qtz
