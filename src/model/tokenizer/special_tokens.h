// Which tokens are special (bos, eos, eot ...) and which a model wants added to its input, from a hub
// folder's configurations and the post-processor of tokenizer.json, with the precedence of llama.cpp's
// converter.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/tokenizer/hub_folder.h"
#include "qtz/core/json.h"
#include "qtz/formats/gguf_value.h"

namespace qtz {

struct SpecialTokens {
  std::vector<std::pair<std::string, std::uint32_t>> ids;  ///< {"bos", 1}, in the order of the keys
  std::vector<std::pair<std::string, bool>> add;           ///< {"bos", true}: tokenizer.ggml.add_bos_token
  std::optional<bool> lowercase;                           ///< of the normalizer
  std::optional<bool> strip_accents;
  std::vector<std::string> warnings;

  const std::uint32_t* find_id(std::string_view name) const noexcept;
  /// Takes `id` for `name` unless it has one or `id` is not below `token_count` (a warning).
  void offer_id(std::string_view name, std::int64_t id, std::uint64_t token_count);
  void set_id(std::string_view name, std::uint32_t id);
  void set_add(std::string_view name, bool value);

  /// Appends the keys in the converter's order, without merges. Names without a key of their own ("cls") are
  /// left out.
  void write_ids(KvList& keys) const;
  void write_flags(KvList& keys) const;
  void write_normalizer(KvList& keys) const;
};

/// `names` are the special tokens to look for, `json` is tokenizer.json without its arrays (nullptr when
/// there is none), `config` is config.json.
SpecialTokens find_special_tokens(const HubTokenizer& hub, const TokenizerJson* json, const JsonValue& config,
                                  std::vector<std::string> names, std::uint64_t token_count);

/// "tokenizer.ggml.padding_token_id" for "pad"; empty for names that have no key.
std::string special_id_key(std::string_view name);

}  // namespace qtz
