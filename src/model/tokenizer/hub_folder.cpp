#include "model/tokenizer/hub_folder.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "model/folder_file.h"
#include "qtz/core/error.h"

namespace qtz {
namespace {

constexpr JsonLimits kSmallFile{16u << 20, 64};

/// Ids are the keys of "added_tokens_decoder".
std::uint64_t parse_id(std::string_view text, std::string_view where) {
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw Error(ErrorKind::input_invalid, std::string(where) + ": added_tokens_decoder has the id '" +
                                              printable(text) + "', expected a number");
  }
  return id;
}

/// The class that transformers takes for a type of model when no file names one.
std::string class_of_model(std::string_view type) {
  static constexpr std::pair<std::string_view, const char*> kClasses[] = {
      {"gpt2", "GPT2Tokenizer"},
      {"bert", "BertTokenizer"},
      {"distilbert", "BertTokenizer"},
      {"t5", "T5Tokenizer"},
      {"mt5", "T5Tokenizer"},
      {"umt5", "T5Tokenizer"},
      {"xlm-roberta", "XLMRobertaTokenizer"},
  };
  for (const auto& [known, name] : kClasses) {
    if (known == type) return name;
  }
  return {};
}

/// How many tokens T5's class has for the spans that training leaves out; a configuration that lists them
/// says it itself.
std::uint64_t spans_of_t5(const JsonValue& tokenizer_config) {
  constexpr std::uint64_t kUsual = 100;
  constexpr std::uint64_t kMost = 10'000;
  const JsonValue* stated = tokenizer_config.find("extra_ids");
  return std::min(stated == nullptr ? kUsual : stated->as_uint().value_or(kUsual), kMost);
}

}  // namespace

const std::string* token_text(const JsonValue& value) noexcept {
  if (const std::string* text = value.as_string()) return text;
  const JsonValue* content = value.find("content");
  return content ? content->as_string() : nullptr;
}

HubTokenizer::HubTokenizer(std::filesystem::path folder, const JsonValue& model_config)
    : folder_(std::move(folder)), config_(JsonObject()) {
  if (has("tokenizer_config.json")) {
    config_ = read_folder_json(path("tokenizer_config.json"), kSmallFile);
    has_config_ = true;
  }
  const std::string where = printable(path("tokenizer_config.json").native());
  if (!config_.is_object()) {
    throw Error(ErrorKind::input_invalid, where + ": the document is of type " +
                                              std::string(config_.type_name()) + ", expected object");
  }
  tokenizer_class_ = config_text("tokenizer_class");
  if (tokenizer_class_.ends_with("Fast")) tokenizer_class_.resize(tokenizer_class_.size() - 4);
  const JsonValue* type = model_config.find("model_type");
  if (tokenizer_class_.empty() && type != nullptr && type->as_string() != nullptr) {
    tokenizer_class_ = class_of_model(*type->as_string());
  }
  // Classes that differ in nothing that matters here.
  if (tokenizer_class_ == "DistilBertTokenizer") tokenizer_class_ = "BertTokenizer";

  const JsonValue* decoder = config_.find("added_tokens_decoder");
  if (decoder != nullptr && decoder->as_object() != nullptr) {
    for (const auto& [id, token] : *decoder->as_object()) {
      config_tokens_.push_back(parse_added_token(token, parse_id(id, where), where));
    }
    std::stable_sort(config_tokens_.begin(), config_tokens_.end(),
                     [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  }
  collect_specials(config_);
  // Folders of the older form keep the names in a file of their own, which counts only without the list
  // above.
  if (decoder == nullptr && has("special_tokens_map.json")) {
    collect_specials(read_folder_json(path("special_tokens_map.json"), kSmallFile));
  }
}

bool HubTokenizer::has(std::string_view name) const {
  return has_file(path(name));
}

std::string HubTokenizer::config_text(std::string_view key) const {
  const JsonValue* value = config_.find(key);
  const std::string* text = value ? value->as_string() : nullptr;
  return text ? *text : std::string();
}

std::optional<bool> HubTokenizer::config_flag(std::string_view key) const {
  const JsonValue* value = config_.find(key);
  return value ? value->as_bool() : std::nullopt;
}

std::vector<std::string> HubTokenizer::class_specials() const {
  struct ClassSpecial {
    std::string_view tokenizer_class;
    std::string_view name;
    std::string_view text;
  };
  static constexpr ClassSpecial kSpecials[] = {
      {"LlamaTokenizer", "unk_token", "<unk>"},        {"LlamaTokenizer", "bos_token", "<s>"},
      {"LlamaTokenizer", "eos_token", "</s>"},         {"CodeLlamaTokenizer", "unk_token", "<unk>"},
      {"CodeLlamaTokenizer", "bos_token", "<s>"},      {"CodeLlamaTokenizer", "eos_token", "</s>"},
      {"GemmaTokenizer", "unk_token", "<unk>"},        {"GemmaTokenizer", "bos_token", "<bos>"},
      {"GemmaTokenizer", "eos_token", "<eos>"},        {"GemmaTokenizer", "pad_token", "<pad>"},
      {"GemmaTokenizer", "mask_token", "<mask>"},      {"BertTokenizer", "unk_token", "[UNK]"},
      {"BertTokenizer", "sep_token", "[SEP]"},         {"BertTokenizer", "pad_token", "[PAD]"},
      {"BertTokenizer", "cls_token", "[CLS]"},         {"BertTokenizer", "mask_token", "[MASK]"},
      {"XLMRobertaTokenizer", "bos_token", "<s>"},     {"XLMRobertaTokenizer", "eos_token", "</s>"},
      {"XLMRobertaTokenizer", "sep_token", "</s>"},    {"XLMRobertaTokenizer", "cls_token", "<s>"},
      {"XLMRobertaTokenizer", "unk_token", "<unk>"},   {"XLMRobertaTokenizer", "pad_token", "<pad>"},
      {"XLMRobertaTokenizer", "mask_token", "<mask>"}, {"T5Tokenizer", "eos_token", "</s>"},
      {"T5Tokenizer", "unk_token", "<unk>"},           {"T5Tokenizer", "pad_token", "<pad>"},
      {"GPT2Tokenizer", "eos_token", "<|endoftext|>"}, {"CodeGenTokenizer", "eos_token", "<|endoftext|>"},
  };
  std::vector<std::string> texts;
  for (const ClassSpecial& special : kSpecials) {
    if (special.tokenizer_class == tokenizer_class_ && config_.find(special.name) == nullptr) {
      texts.emplace_back(special.text);
    }
  }
  if (tokenizer_class_ == "T5Tokenizer" && listed_specials_.empty()) {
    for (std::uint64_t i = 0; i < spans_of_t5(config_); ++i)
      texts.push_back("<extra_id_" + std::to_string(i) + ">");
  }
  return texts;
}

std::vector<AddedToken> HubTokenizer::added_tokens_file() const {
  std::vector<AddedToken> tokens;
  if (!has("added_tokens.json")) return tokens;
  const auto file = path("added_tokens.json");
  const JsonValue document = read_folder_json(file, kSmallFile);
  const JsonObject* object = document.as_object();
  if (object == nullptr) {
    throw Error(ErrorKind::input_invalid, printable(file.native()) + ": the document is of type " +
                                              std::string(document.type_name()) + ", expected object");
  }
  for (const auto& [text, value] : *object) {
    const auto id = value.as_uint();
    if (!id) {
      throw Error(ErrorKind::input_invalid, printable(file.native()) + ": added token '" + printable(text) +
                                                "' has an id that is negative or not a number");
    }
    tokens.push_back({*id, text, false, true});
  }
  return tokens;
}

void HubTokenizer::collect_specials(const JsonValue& object) {
  const JsonObject* members = object.as_object();
  if (members == nullptr) return;
  std::set<std::string> seen(named_specials_.begin(), named_specials_.end());
  seen.insert(listed_specials_.begin(), listed_specials_.end());
  const auto add = [&](const JsonValue& value, std::vector<std::string>& to) {
    const std::string* text = token_text(value);
    if (text != nullptr && !text->empty() && seen.insert(*text).second) to.push_back(*text);
  };
  for (const auto& [key, value] : *members) {
    if (std::string_view(key).ends_with("_token")) add(value, named_specials_);
  }
  for (const auto& [key, value] : *members) {
    if (key != "additional_special_tokens" && key != "extra_special_tokens") continue;
    if (const JsonArray* texts = value.as_array()) {
      for (const JsonValue& text : *texts) add(text, listed_specials_);
    } else if (const JsonObject* named = value.as_object()) {
      for (const auto& [name, text] : *named) add(text, named_specials_);
    }
  }
}

}  // namespace qtz
