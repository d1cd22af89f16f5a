#include "qtz/model/tokenizer.h"

#include <algorithm>

#include "model/tokenizer/chat_template.h"
#include "model/tokenizer/pre_tokenizer.h"
#include "model/tokenizer/sentencepiece_model.h"
#include "model/tokenizer/space_prefix.h"
#include "model/tokenizer/special_tokens.h"
#include "model/tokenizer/vocabulary.h"
#include "qtz/core/error.h"
#include "qtz/core/text.h"

namespace qtz {
namespace {

bool fits_sentencepiece(const TokenizerInput& input) {
  return input.hub.has("tokenizer.model") && looks_like_sentencepiece(input.hub.path("tokenizer.model"));
}

bool fits_sentencepiece_json(const TokenizerInput& input) {
  if (!input.json || input.json->model_type != "BPE" || !input.json->byte_fallback.value_or(false))
    return false;
  const JsonValue* type = input.json->decoder.find("type");
  return type != nullptr && type->as_string() != nullptr && *type->as_string() == "Sequence";
}

bool fits_byte_bpe(const TokenizerInput& input) {
  if (input.json) return input.json->model_type == "BPE";
  return input.hub.has("vocab.json") && input.hub.has("merges.txt");
}

bool fits_wordpiece(const TokenizerInput& input) {
  return input.json ? input.json->model_type == "WordPiece" : input.hub.has("vocab.txt");
}

/// A tokenizer.model may be of another kind; a file under any other name is what it has to be.
bool fits_unigram(const TokenizerInput& input) {
  const std::string name = find_unigram_file(input);
  if (name != "tokenizer.model") return !name.empty();
  if (!looks_like_sentencepiece(input.hub.path(name))) return false;
  return read_sentencepiece_model(input.hub.path(name)).algorithm == SentencePieceModel::Algorithm::unigram;
}

bool fits_unigram_json(const TokenizerInput& input) {
  return input.json && input.json->model_type == "Unigram";
}

/// The library that knows tekken.json is not asked where a tokenizer.json says the same.
bool fits_tekken(const TokenizerInput& input) {
  return !input.json && input.hub.has("tekken.json");
}

bool fits_tiktoken(const TokenizerInput& input) {
  return !input.policy.tiktoken.file.empty() && input.hub.has(input.policy.tiktoken.file);
}

bool fits_rwkv(const TokenizerInput& input) {
  return input.hub.has("rwkv_vocab_v20230424.txt");
}

/// Every source: when it fits, how it is read, what it is called.
struct SourceReader {
  TokenizerSource source;
  bool (*fits)(const TokenizerInput& input);
  Vocabulary (*read)(TokenizerInput& input);
  std::string_view files;
};

constexpr SourceReader kReaders[] = {
    {TokenizerSource::sentencepiece, fits_sentencepiece, read_sentencepiece_vocabulary, "tokenizer.model"},
    {TokenizerSource::sentencepiece_json, fits_sentencepiece_json, read_sentencepiece_json_vocabulary,
     "tokenizer.json with byte fallback"},
    {TokenizerSource::byte_bpe, fits_byte_bpe, read_byte_bpe_vocabulary,
     "tokenizer.json of byte-level BPE, or vocab.json and merges.txt"},
    {TokenizerSource::wordpiece, fits_wordpiece, read_wordpiece_vocabulary,
     "tokenizer.json of WordPiece, or vocab.txt"},
    {TokenizerSource::unigram, fits_unigram, read_unigram_vocabulary,
     "a SentencePiece file of a unigram model"},
    {TokenizerSource::unigram_json, fits_unigram_json, read_unigram_json_vocabulary,
     "tokenizer.json of a unigram model"},
    {TokenizerSource::tekken, fits_tekken, read_tekken_vocabulary, "tekken.json"},
    {TokenizerSource::tiktoken, fits_tiktoken, read_tiktoken_vocabulary, "the tiktoken file of the model"},
    {TokenizerSource::rwkv, fits_rwkv, read_rwkv_vocabulary, "rwkv_vocab_v20230424.txt"},
};

/// Byte-level BPE, whatever the files look like.
bool has_pre_tokenizer(TokenizerSource source) {
  return source == TokenizerSource::byte_bpe || source == TokenizerSource::tekken ||
         source == TokenizerSource::tiktoken;
}

const SourceReader* reader_of(TokenizerSource source) {
  const auto* known = std::find_if(std::begin(kReaders), std::end(kReaders),
                                   [&](const SourceReader& reader) { return reader.source == source; });
  return known == std::end(kReaders) ? nullptr : known;
}

/// Files that not every architecture takes, with the name of their kind.
constexpr std::pair<std::string_view, std::string_view> kForeignFiles[] = {
    {"tekken.json", "tekken"},    {"rwkv_vocab_v20230424.txt", "RWKV"}, {"vocab.txt", "WordPiece"},
    {"spiece.model", "Unigram"},  {"qwen.tiktoken", "tiktoken"},        {"tiktoken.model", "tiktoken"},
    {"tokenizer.jsonl", "PLaMo"},
};

[[noreturn]] void refuse_folder(const TokenizerInput& input) {
  const std::string folder = printable(input.hub.folder().native());
  std::string wanted;
  for (const TokenizerSource source : input.policy.sources) {
    if (const SourceReader* reader = reader_of(source)) {
      wanted += (wanted.empty() ? "" : "; ") + std::string(reader->files);
    }
  }
  const std::string hint = "this architecture takes: " + wanted;
  if (input.json) {
    throw Error(ErrorKind::input_invalid,
                folder + "/tokenizer.json: a tokenizer of kind " + printable(input.json->model_type) +
                    (input.json->byte_fallback.value_or(false) ? " with byte fallback" : "") +
                    " is not supported here",
                hint);
  }
  if (input.hub.has("tokenizer.model")) {
    throw Error(
        ErrorKind::input_invalid,
        folder + "/tokenizer.model: not a SentencePiece model (a tiktoken vocabulary is not supported)",
        hint);
  }
  for (const auto& [file, kind] : kForeignFiles) {
    if (!input.hub.has(file)) continue;
    throw Error(
        ErrorKind::input_invalid,
        folder + "/" + std::string(file) + ": a tokenizer of kind " + std::string(kind) + " is not supported",
        hint);
  }
  throw Error(ErrorKind::input_missing, folder + ": no tokenizer files", hint);
}

TokenizerSource choose_source(const TokenizerInput& input) {
  const std::string& name = input.hub.tokenizer_class();
  for (const auto& [tokenizer_class, source] : input.policy.source_of_class) {
    if (tokenizer_class == name) return source;
  }
  for (const TokenizerSource source : input.policy.sources) {
    if (source == TokenizerSource::none) return source;
    if (reader_of(source)->fits(input)) return source;
  }
  refuse_folder(input);
}

Vocabulary read_vocabulary(TokenizerInput& input, TokenizerSource source) {
  const SourceReader* reader = reader_of(source);
  if (!reader->fits(input)) refuse_folder(input);
  return reader->read(input);
}

void set_all(KvList& keys, const KvList& more) {
  for (const KvList::Entry& entry : more.entries()) keys.set(entry.key, entry.value);
}

void write_prefix_space(const TokenizerInput& input, KvList& keys) {
  if (const auto flag = input.hub.config_flag("add_prefix_space"))
    keys.set("tokenizer.ggml.add_space_prefix", *flag);
}

/// The converter leaves this key out, and llama.cpp then puts a space where the tokenizer puts none.
void write_missing_prefix_space(const TokenizerInput& input, TokenizerSource source, KvList& keys) {
  constexpr const char* kKey = "tokenizer.ggml.add_space_prefix";
  if (source != TokenizerSource::sentencepiece_json || keys.find(kKey) != nullptr) return;
  if (prepends_space(*input.json) == false) keys.set(kKey, false);
}

/// Ids from the configurations, then those the architecture knows by text.
SpecialTokens collect_specials(TokenizerInput& input, const Vocabulary& vocabulary) {
  const TokenizerPolicy& policy = input.policy;
  const TokenizerJson* json = input.json ? &*input.json : nullptr;
  SpecialTokens specials =
      find_special_tokens(input.hub, json, input.config, policy.special_tokens, vocabulary.tokens.size());
  for (const auto& [name, id] : vocabulary.special_ids) specials.set_id(name, id);
  const bool none = specials.ids.empty();
  for (const TokenizerPolicy::SpecialText& wanted : policy.special_by_text) {
    if (wanted.alone && !none) continue;
    const auto id = vocabulary.find_added(wanted.content);
    if (id && wanted.replace) {
      specials.set_id(wanted.name, *id);
    } else if (id) {
      specials.offer_id(wanted.name, *id, vocabulary.tokens.size());
    } else if (!wanted.replace) {
      specials.warnings.push_back("the tokenizer has no token '" + wanted.content + "' for " + wanted.name);
    }
  }
  return specials;
}

/// Ids that derived models are known to have, unless a configuration names others.
void write_known_ids(const TokenizerInput& input,
                     const std::vector<std::pair<std::string, std::uint32_t>>& known,
                     std::uint64_t token_count, KvList& keys) {
  if (known.empty()) return;
  std::vector<std::string> names;
  for (const auto& [name, id] : known) names.push_back(name);
  const TokenizerJson* json = input.json ? &*input.json : nullptr;
  SpecialTokens specials = find_special_tokens(input.hub, json, input.config, std::move(names), token_count);
  for (const auto& [name, id] : known) specials.offer_id(name, id, token_count);
  specials.write_ids(keys);
}

void write_eot_of_list(const TokenizerInput& input, KvList& keys) {
  const JsonValue* eos = input.config.find("eos_token_id");
  const JsonValue* bos = input.config.find("bos_token_id");
  if (eos == nullptr || eos->as_array() == nullptr) return;
  for (const JsonValue& id : *eos->as_array()) {
    const auto number = id.as_uint();
    if (!number || *number >= kMaxVocabulary || (bos != nullptr && bos->as_uint() == number)) continue;
    keys.set("tokenizer.ggml.eot_token_id", static_cast<std::uint32_t>(*number));
    return;
  }
}

void warn_without_template(TokenizerInput& input) {
  const std::string name = ascii_lower(std::filesystem::absolute(input.hub.folder()).filename().string());
  if (name.find("instruct") == std::string::npos && name.find("chat") == std::string::npos &&
      !name.ends_with("-it")) {
    return;
  }
  input.warnings.push_back(
      "no chat template, though the folder's name speaks of a chat model: programs will guess one");
}

}  // namespace

TokenizerResult read_tokenizer(const std::filesystem::path& folder, const JsonValue& config,
                               std::uint64_t vocab_size, const TokenizerPolicy& policy,
                               const std::optional<std::string>& pre_override) {
  TokenizerInput input{HubTokenizer(folder, config), config, vocab_size, policy, pre_override};
  check_vocabulary_size(vocab_size, printable(folder.native()));
  if (pre_override) check_pre_tokenizer_name(*pre_override);
  if (input.hub.has("tokenizer.json")) input.json = read_tokenizer_json(input.hub.path("tokenizer.json"));

  TokenizerResult result;
  KvList& keys = result.keys;
  const TokenizerSource source = choose_source(input);
  if (source == TokenizerSource::none) {
    keys.set("tokenizer.ggml.model", "none");
    result.description = "no vocabulary";
    return result;
  }
  Vocabulary vocabulary = read_vocabulary(input, source);
  check_distinct_tokens(vocabulary.tokens, printable(folder.native()));
  const SpecialTokens specials = collect_specials(input, vocabulary);
  const std::uint64_t size = vocabulary.tokens.size();
  const std::string model = policy.model.empty() ? vocabulary.model : policy.model;

  set_all(keys, policy.keys_first);
  const bool unigram = source == TokenizerSource::unigram || source == TokenizerSource::unigram_json;
  const auto token_types = unigram ? TokenizerPolicy::TokenTypes::ignored : policy.token_types;
  if (token_types == TokenizerPolicy::TokenTypes::first) write_token_types(input, keys);
  if (policy.prefix_space == TokenizerPolicy::PrefixSpace::first) write_prefix_space(input, keys);
  keys.set("tokenizer.ggml.model", model);
  if (policy.write_pre) keys.set("tokenizer.ggml.pre", vocabulary.pre);
  keys.set("tokenizer.ggml.tokens", std::move(vocabulary.tokens));
  if (!vocabulary.scores.empty()) keys.set("tokenizer.ggml.scores", std::move(vocabulary.scores));
  keys.set("tokenizer.ggml.token_type", std::move(vocabulary.types));
  set_all(keys, vocabulary.keys);
  if ((has_pre_tokenizer(source) || policy.write_merges) && !vocabulary.merges.empty()) {
    keys.set("tokenizer.ggml.merges", std::move(vocabulary.merges));
  }
  if (policy.prefix_space == TokenizerPolicy::PrefixSpace::of_model && vocabulary.add_dummy_prefix) {
    keys.set("tokenizer.ggml.add_space_prefix", *vocabulary.add_dummy_prefix);
  }
  specials.write_ids(keys);
  specials.write_flags(keys);
  result.has_chat_template = write_chat_template(input.hub, policy.template_file_first, keys, input.warnings);
  if (!result.has_chat_template) {
    const std::string& implied =
        policy.fallback_template.empty() ? vocabulary.chat_template : policy.fallback_template;
    if (!implied.empty()) keys.set("tokenizer.chat_template", implied);
    result.has_chat_template = !implied.empty();
  }
  specials.write_normalizer(keys);
  write_known_ids(input, policy.special_by_id, size, keys);
  for (const TokenizerPolicy::VocabularySizeRule& rule : policy.size_rules) {
    if (rule.vocab_size != vocab_size) continue;
    write_known_ids(input, rule.special_by_id, size, keys);
    set_all(keys, rule.keys_last);
  }
  if (policy.prefix_space == TokenizerPolicy::PrefixSpace::last) write_prefix_space(input, keys);
  for (const auto& [of, more] : policy.keys_of_source) {
    if (of == source) set_all(keys, more);
  }
  set_all(keys, policy.keys_last);
  if (token_types == TokenizerPolicy::TokenTypes::last) write_token_types(input, keys);
  write_missing_prefix_space(input, source, keys);
  if (policy.eot_from_eos_list) write_eot_of_list(input, keys);

  result.token_count = vocabulary.token_count;
  result.description = model + (has_pre_tokenizer(source) ? ", pre " + vocabulary.pre : "") + ", " +
                       std::to_string(vocabulary.token_count) + " tokens" +
                       (size > vocabulary.token_count ? " padded to " + std::to_string(size) : "") +
                       (result.has_chat_template ? ", chat template" : ", no chat template");
  if (!result.has_chat_template) warn_without_template(input);
  if (pre_override && !has_pre_tokenizer(source)) {
    input.warnings.push_back("--tokenizer-pre is not used: a vocabulary of this kind (" + model +
                             ") has no pre-tokenizer");
  }
  result.warnings = std::move(input.warnings);
  result.warnings.insert(result.warnings.end(), specials.warnings.begin(), specials.warnings.end());
  return result;
}

}  // namespace qtz
