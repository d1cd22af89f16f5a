#include "model/tokenizer/pre_tokenizer.h"

#include <algorithm>

#include "model/tokenizer/split_patterns.h"
#include "model/tokenizer/utf8.h"
#include "qtz/core/error.h"
#include "qtz/core/text.h"
#include "qtz/model/tokenizer.h"

namespace qtz {
namespace {

std::string_view text_member(const JsonValue& object, std::string_view key) {
  const JsonValue* value = object.find(key);
  const std::string* text = value ? value->as_string() : nullptr;
  return text ? std::string_view(*text) : std::string_view();
}

bool flag_member(const JsonValue& object, std::string_view key, bool otherwise) {
  const JsonValue* value = object.find(key);
  return value ? value->as_bool().value_or(otherwise) : otherwise;
}

/// One spelling of a pattern: control characters as escapes, contractions by an inline flag.
std::string canonical_regex(std::string_view regex) {
  std::string out;
  for (const char c : regex) {
    switch (c) {
      case '\r':
        out += "\\r";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        out += c;
    }
  }
  return replace_all(out, "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])",
                     "(?i:'s|'t|'re|'ve|'m|'ll|'d)");
}

/// "MergedWithNext" as "-merged-with-next".
std::string suffix_of(std::string_view behavior) {
  std::string out;
  for (const char c : behavior) {
    if (c >= 'A' && c <= 'Z') out += '-';
    out += ascii_lower(std::string_view(&c, 1));
  }
  return out;
}

std::string split_step(const JsonValue& step) {
  const std::string_view behavior = text_member(step, "behavior");
  const bool invert = flag_member(step, "invert", false);
  // With matches that cover everything it does not matter whether they are cut out or what is between is
  // removed.
  const bool plain = behavior == "Isolated" || (behavior == "Removed" && invert);
  std::string out = "split";
  if (!plain) out += suffix_of(behavior) + (invert ? "-inverted" : "");
  const JsonValue* pattern = step.find("pattern");
  if (pattern != nullptr && pattern->find("Regex") != nullptr) {
    return out + "(" + canonical_regex(text_member(*pattern, "Regex")) + ")";
  }
  return out + "[" + (pattern ? canonical_regex(text_member(*pattern, "String")) : "") + "]";
}

/// Any other step: its type and settings in alphabetical order; offsets never change tokens.
std::string other_step(const JsonValue& step) {
  JsonObject members = *step.as_object();
  std::erase_if(members, [](const JsonMember& member) {
    return member.first == "type" || member.first == "trim_offsets";
  });
  std::sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  const std::string type(text_member(step, "type"));
  return members.empty() ? type : type + to_json(JsonValue(std::move(members)), -1);
}

bool only_normalizes(std::string_view type) {
  static constexpr std::string_view kTypes[] = {"NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents"};
  return std::find(std::begin(kTypes), std::end(kTypes), type) != std::end(kTypes);
}

void collect(const JsonValue& step, std::vector<std::string>& out) {
  if (!step.is_object()) return;
  const std::string_view type = text_member(step, "type");
  if (type == "Sequence") {
    for (const std::string_view key : {"normalizers", "pretokenizers"}) {
      const JsonValue* parts = step.find(key);
      if (parts == nullptr || parts->as_array() == nullptr) continue;
      for (const JsonValue& part : *parts->as_array()) collect(part, out);
    }
  } else if (type == "Split") {
    out.push_back(split_step(step));
  } else if (type == "Digits") {
    out.push_back(flag_member(step, "individual_digits", false) ? "split(" QTZ_SPLIT_DIGIT ")"
                                                                : "split(" QTZ_SPLIT_DIGITS ")");
  } else if (type == "ByteLevel") {
    if (flag_member(step, "add_prefix_space", false)) out.push_back("prefix-space");
    if (flag_member(step, "use_regex", true)) out.push_back("split(" QTZ_SPLIT_GPT2 ")");
    out.push_back("bytes");
  } else if (!only_normalizes(type)) {
    out.push_back(other_step(step));
  }
}

template <typename T>
bool fits(const std::optional<T>& condition, const T& fact) {
  return !condition || *condition == fact;
}

std::string describe(const PreTokenizerFacts& facts) {
  std::string out = facts.steps.empty() ? "(none)" : facts.steps;
  out += facts.ignore_merges ? "; whole tokens before merges" : "; merges always applied";
  if (facts.framing == Framing::leading) out += "; special token before a text";
  if (facts.framing == Framing::roberta) out += "; special tokens around a text";
  return out;
}

}  // namespace

std::string canonical_steps(const JsonValue& normalizer, const JsonValue& pre_tokenizer) {
  std::vector<std::string> steps;
  collect(normalizer, steps);
  collect(pre_tokenizer, steps);
  std::string out;
  for (const std::string& step : steps) {
    if (!out.empty()) out += " > ";
    out += step;
  }
  return out;
}

std::optional<std::string_view> find_pre_tokenizer(const PreTokenizerFacts& facts) {
  for (const PreTokenizerLine& line : pre_tokenizer_table()) {
    if (line.steps.empty() || line.steps != facts.steps) continue;
    if (!fits(line.ignore_merges, facts.ignore_merges) || !fits(line.framing, facts.framing)) continue;
    if (line.clean_up_spaces && facts.clean_up_spaces != line.clean_up_spaces) continue;
    return line.name;
  }
  return std::nullopt;
}

std::vector<std::string_view> list_pre_tokenizers() {
  std::vector<std::string_view> names;
  for (const PreTokenizerLine& line : pre_tokenizer_table()) names.push_back(line.name);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::string need_pre_tokenizer(const PreTokenizerFacts& facts, std::string_view where) {
  if (const auto name = find_pre_tokenizer(facts)) return std::string(*name);
  throw Error(ErrorKind::input_invalid, std::string(where) + ": unknown pre-tokenizer: " + describe(facts),
              "--tokenizer-pre NAME says which of llama.cpp's pre-tokenizers cuts texts like that "
              "(llama-bpe, qwen2, gpt-2 ...)");
}

void check_pre_tokenizer_name(const std::string& name) {
  const std::vector<std::string_view> names = list_pre_tokenizers();
  if (std::binary_search(names.begin(), names.end(), std::string_view(name))) return;
  const auto near = nearest(name, names);
  throw Error(
      ErrorKind::usage, "unknown pre-tokenizer '" + printable(name) + "' (--tokenizer-pre)",
      near ? "did you mean " + std::string(*near) + "?" : "llama.cpp refuses names that it does not know");
}

}  // namespace qtz
