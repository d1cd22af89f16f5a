#include "model/tokenizer/special_tokens.h"

#include <algorithm>

#include "model/tokenizer/post_processor.h"
#include "qtz/core/error.h"

namespace qtz {
namespace {

void read_normalizer(const JsonValue& normalizer, SpecialTokens& out) {
  const JsonValue* type = normalizer.find("type");
  const std::string* name = type ? type->as_string() : nullptr;
  if (name == nullptr) return;
  if (*name == "Lowercase") out.lowercase = true;
  if (*name == "StripAccents") out.strip_accents = true;
  if (*name == "BertNormalizer") {
    if (const JsonValue* value = normalizer.find("lowercase"); value && value->as_bool())
      out.lowercase = value->as_bool();
    if (const JsonValue* value = normalizer.find("strip_accents"); value && value->as_bool()) {
      out.strip_accents = value->as_bool();
    }
  }
  const JsonValue* parts = normalizer.find("normalizers");
  if (*name == "Sequence" && parts != nullptr && parts->as_array() != nullptr) {
    for (const JsonValue& part : *parts->as_array()) read_normalizer(part, out);
  }
}

/// A member "<name>_token_id" of config.json or, failing that, of its text part.
const JsonValue* configured_id(const JsonValue& config, const std::string& key) {
  const JsonValue* value = config.find(key);
  if (value != nullptr && !value->is_null()) return value;
  const JsonValue* text_part = config.find("text_config");
  return text_part ? text_part->find(key) : nullptr;
}

}  // namespace

std::string special_id_key(std::string_view name) {
  static constexpr std::pair<std::string_view, std::string_view> kKeys[] = {
      {"bos", "bos"},     {"eos", "eos"},   {"unk", "unknown"}, {"sep", "seperator"},
      {"pad", "padding"}, {"mask", "mask"}, {"eot", "eot"},     {"eom", "eom"}};
  for (const auto& [short_name, in_key] : kKeys) {
    if (short_name == name) return "tokenizer.ggml." + std::string(in_key) + "_token_id";
  }
  return {};
}

const std::uint32_t* SpecialTokens::find_id(std::string_view name) const noexcept {
  const auto known =
      std::find_if(ids.begin(), ids.end(), [&](const auto& entry) { return entry.first == name; });
  return known == ids.end() ? nullptr : &known->second;
}

void SpecialTokens::offer_id(std::string_view name, std::int64_t id, std::uint64_t token_count) {
  if (id < 0 || static_cast<std::uint64_t>(id) >= token_count) {
    warnings.push_back("special token " + std::string(name) + " has id " + std::to_string(id) +
                       ", outside the vocabulary of " + std::to_string(token_count) + " tokens: left out");
  } else if (find_id(name) == nullptr) {
    ids.emplace_back(name, static_cast<std::uint32_t>(id));
  }
}

void SpecialTokens::set_id(std::string_view name, std::uint32_t id) {
  const auto known =
      std::find_if(ids.begin(), ids.end(), [&](const auto& entry) { return entry.first == name; });
  if (known != ids.end()) {
    known->second = id;
  } else {
    ids.emplace_back(name, id);
  }
}

void SpecialTokens::set_add(std::string_view name, bool value) {
  const auto known =
      std::find_if(add.begin(), add.end(), [&](const auto& entry) { return entry.first == name; });
  if (known != add.end()) {
    known->second = value;
  } else {
    add.emplace_back(name, value);
  }
}

void SpecialTokens::write_ids(KvList& keys) const {
  for (const auto& [name, id] : ids) {
    if (std::string key = special_id_key(name); !key.empty()) keys.set(std::move(key), id);
  }
}

void SpecialTokens::write_flags(KvList& keys) const {
  for (const auto& [name, value] : add) {
    if (name == "bos" || name == "eos" || name == "sep")
      keys.set("tokenizer.ggml.add_" + name + "_token", value);
  }
}

void SpecialTokens::write_normalizer(KvList& keys) const {
  if (lowercase) keys.set("tokenizer.ggml.normalizer.lowercase", *lowercase);
  if (strip_accents) keys.set("tokenizer.ggml.normalizer.strip_accents", *strip_accents);
}

SpecialTokens find_special_tokens(const HubTokenizer& hub, const TokenizerJson* json, const JsonValue& config,
                                  std::vector<std::string> names, std::uint64_t token_count) {
  SpecialTokens out;
  SpecialTexts texts(hub.config());
  if (json != nullptr) {
    read_normalizer(json->normalizer, out);
    apply_post_processor(json->post_processor, hub.has_config(), texts, names, out);
  }
  if (hub.has_config()) {
    for (const std::string& name : names) {
      if (const auto flag = hub.config_flag("add_" + name + "_token")) out.set_add(name, *flag);
      const std::string* text = token_text(texts.get(name));
      if (text == nullptr || json == nullptr) continue;
      const auto listed = std::find_if(json->added_tokens.begin(), json->added_tokens.end(),
                                       [&](const AddedToken& token) { return token.content == *text; });
      if (listed != json->added_tokens.end()) {
        out.offer_id(name, static_cast<std::int64_t>(std::min<std::uint64_t>(listed->id, INT64_MAX)),
                     token_count);
      }
    }
  }
  for (const std::string& name : names) {
    const JsonValue* value = configured_id(config, name + "_token_id");
    if (value == nullptr || !value->is_integer()) continue;
    out.offer_id(name, value->as_int().value_or(INT64_MAX), token_count);
  }
  return out;
}

}  // namespace qtz
