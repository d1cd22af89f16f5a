#include "model/tokenizer/space_prefix.h"

#include "model/tokenizer/utf8.h"

namespace qtz {
namespace {

const std::string* text_member(const JsonValue& step, std::string_view key) {
  const JsonValue* value = step.find(key);
  return value ? value->as_string() : nullptr;
}

/// A Metaspace step of today has a scheme ("first", "always", "never"), an older one a flag; yes by default.
bool metaspace_prepends(const JsonValue& step) {
  if (const std::string* scheme = text_member(step, "prepend_scheme")) return *scheme != "never";
  const JsonValue* flag = step.find("add_prefix_space");
  return flag == nullptr || flag->as_bool().value_or(true);
}

void look_at(const JsonValue& step, std::optional<bool>& out) {
  const std::string* type = text_member(step, "type");
  if (type == nullptr) return;
  const std::string* content = text_member(step, "content");
  if (*type == "Prepend") out = true;
  if (*type == "Metaspace") out = out.value_or(false) || metaspace_prepends(step);
  if (*type == "Replace" && content != nullptr && *content == kLowerBlock) out = out.value_or(false);
  for (const std::string_view key : {"normalizers", "pretokenizers"}) {
    const JsonValue* parts = step.find(key);
    if (parts == nullptr || parts->as_array() == nullptr) continue;
    for (const JsonValue& part : *parts->as_array()) look_at(part, out);
  }
}

}  // namespace

std::optional<bool> prepends_space(const TokenizerJson& json) {
  std::optional<bool> out;
  look_at(json.normalizer, out);
  look_at(json.pre_tokenizer, out);
  return out;
}

}  // namespace qtz
