// Byte-level BPE vocabularies: GPT-2 and most models since.
#include <algorithm>
#include <unordered_set>

#include "model/tokenizer/added_vocabulary.h"
#include "model/tokenizer/base_vocabulary.h"
#include "model/tokenizer/byte_alphabet.h"
#include "model/tokenizer/pre_tokenizer.h"
#include "model/tokenizer/split_patterns.h"
#include "model/tokenizer/utf8.h"
#include "model/tokenizer/vocabulary.h"
#include "qtz/core/error.h"

namespace qtz {
namespace {

/// How the tokenizer turns a token back into text.
struct Decoding {
  bool byte_level = false;
  bool blocks_to_spaces = false;
};

void read_decoder(const JsonValue& decoder, Decoding& out) {
  const JsonValue* type = decoder.find("type");
  const std::string* name = type ? type->as_string() : nullptr;
  if (name == nullptr) return;
  if (*name == "ByteLevel") out.byte_level = true;
  if (*name == "Replace") {
    const JsonValue* content = decoder.find("content");
    out.blocks_to_spaces |=
        content != nullptr && content->as_string() != nullptr && *content->as_string() == " ";
  }
  const JsonValue* parts = decoder.find("decoders");
  if (*name == "Sequence" && parts != nullptr && parts->as_array() != nullptr) {
    for (const JsonValue& part : *parts->as_array()) read_decoder(part, out);
  }
}

/// The text that the tokenizer gives for an added token: llama.cpp matches it as it stands.
std::string text_of(const AddedToken& token, const Decoding& decoding) {
  if (token.normalized) return token.content;
  if (decoding.byte_level) return decode_byte_alphabet(token.content);
  return decoding.blocks_to_spaces ? replace_all(token.content, kLowerBlock, " ") : token.content;
}

void warn_about_ids(TokenizerInput& input, const AddedVocabulary& added) {
  std::uint64_t count = 0;
  std::string example;
  for (const AddedToken& listed : input.json->added_tokens) {
    const AddedToken* real = added.find(listed.content);
    if (real == nullptr || real->id == listed.id) continue;
    if (count++ == 0) {
      example = "'" + printable(listed.content) + "' is listed as " + std::to_string(listed.id) +
                " and becomes " + std::to_string(real->id);
    }
  }
  if (count > 0) {
    input.warnings.push_back(
        std::to_string(count) +
        " added tokens get other ids than tokenizer.json says, as in the tokenizers library: " + example);
  }
}

/// The share of a vocabulary that no merge makes in a list that is cut short; of a whole one it is nearly
/// none.
constexpr std::uint64_t kUnmadeShare = 10;

/// Throws when the merges make nothing of the vocabulary: the file would not load. Warns of merges that make
/// no token, and of a list that seems to be cut short.
void check_merges(TokenizerInput& input, const std::vector<VocabEntry>& base, const TokenIndex& index,
                  const AddedVocabulary& added, const std::string& where) {
  const std::vector<std::string>& merges = input.json->merges;
  std::unordered_set<std::uint32_t> made;
  std::uint64_t useless = 0;
  std::string joined;
  for (const std::string& merge : merges) {
    const auto space = merge.find(' ', 1);
    joined = merge;
    if (space != std::string::npos) joined.erase(space, 1);
    const auto id = space == std::string::npos ? std::nullopt : index.find(joined);
    if (id) made.insert(*id);
    if (!id) ++useless;
  }
  if (made.empty()) {
    throw Error(
        ErrorKind::input_invalid,
        where + ": none of " + std::to_string(merges.size()) + " merges makes a token of the vocabulary",
        "llama.cpp loads no such vocabulary without merges: is the list of merges whole?");
  }
  if (useless > 0) {
    input.warnings.push_back(std::to_string(useless) + " of " + std::to_string(merges.size()) +
                             " merges do not make a token of the vocabulary");
  }
  std::uint64_t unmade = 0;
  for (const VocabEntry& entry : base) {
    std::string_view behind_first = entry.text;
    take_code_point(behind_first);
    if (!behind_first.empty() && !made.contains(entry.id) && added.find(entry.text) == nullptr) ++unmade;
  }
  if (unmade > base.size() / kUnmadeShare) {
    input.warnings.push_back(std::to_string(unmade) + " of " + std::to_string(base.size()) +
                             " tokens are made by no merge: is the list of merges whole?");
  }
}

/// vocab.json and merges.txt say nothing about cutting: the tokenizer's class does.
JsonValue pre_tokenizer_of_class(const TokenizerInput& input) {
  const std::string& name = input.hub.tokenizer_class();
  std::string_view regex;
  if (name == "Qwen2Tokenizer" || name == "DreamTokenizer") regex = QTZ_SPLIT_QWEN2;
  if (name == "GPT2Tokenizer" || name == "CodeGenTokenizer" || name == "RobertaTokenizer")
    regex = QTZ_SPLIT_GPT2;
  if (regex.empty()) return {};
  JsonValue pattern;
  pattern.set("Regex", regex);
  JsonValue split;
  split.set("type", "Split");
  split.set("pattern", std::move(pattern));
  split.set("behavior", "Isolated");
  JsonValue bytes;
  bytes.set("type", "ByteLevel");
  bytes.set("use_regex", false);
  JsonValue sequence;
  sequence.set("type", "Sequence");
  sequence.set("pretokenizers", JsonArray{std::move(split), std::move(bytes)});
  return sequence;
}

std::string name_in_family(std::string_view name, const TokenizerInput& input) {
  // Phi 1 to 2 alone have this class; the converter has a name of their own for the same cutting.
  if (name == "gpt-2" && input.hub.tokenizer_class() == "CodeGenTokenizer") return "phi-2";
  for (const auto& [found, written] : input.policy.pre_names) {
    if (name == found) return written;
  }
  return std::string(name);
}

std::string name_pre_tokenizer(const PreTokenizerFacts& facts, const std::string& where,
                               TokenizerInput& input) {
  if (const auto found = find_pre_tokenizer(facts)) return name_in_family(*found, input);
  const std::string expected = name_in_family({}, input);
  if (expected.empty()) return need_pre_tokenizer(facts, where);
  input.warnings.push_back(where + ": the pre-tokenizer is none that qtz knows by its steps, and is called " +
                           expected + " as this architecture's are: --tokenizer-pre names another");
  return expected;
}

TokenizerJson read_older_files(TokenizerInput& input) {
  TokenizerJson json;
  json.model_type = "BPE";
  json.vocab = read_vocab_json(input.hub.path("vocab.json"));
  std::uint64_t malformed = 0;
  json.merges = read_merges_text(input.hub.path("merges.txt"), malformed);
  if (malformed > 0) {
    input.warnings.push_back(printable(input.hub.path("merges.txt").native()) + ": " +
                             std::to_string(malformed) + " malformed lines left out");
  }
  json.added_tokens = input.hub.added_tokens_file();
  json.pre_tokenizer = pre_tokenizer_of_class(input);
  json.decoder.set("type", "ByteLevel");
  return json;
}

}  // namespace

Vocabulary read_byte_bpe_vocabulary(TokenizerInput& input) {
  const bool older = !input.json;
  if (older) input.json = read_older_files(input);
  TokenizerJson& json = *input.json;
  const std::string where = printable(input.hub.path(older ? "vocab.json" : "tokenizer.json").native());

  PreTokenizerFacts facts;
  facts.steps = canonical_steps(json.normalizer, json.pre_tokenizer);
  facts.ignore_merges = json.ignore_merges;
  facts.framing = framing_of(json.post_processor);
  facts.clean_up_spaces = input.hub.config_flag("clean_up_tokenization_spaces");

  Vocabulary out;
  out.model = "gpt2";
  out.pre = input.pre_override ? *input.pre_override : name_pre_tokenizer(facts, where, input);
  // By this name alone llama.cpp drops the spaces between words.
  if (out.pre == "whitespace") out.model = out.pre;

  std::vector<VocabEntry> base = std::move(json.vocab);
  const TokenIndex index = check_base_vocabulary(base, where);
  const AddedVocabulary added(input.hub, json, index, base.size());
  warn_about_ids(input, added);
  check_merges(input, base, index, added, where);

  const std::uint64_t size = settle_size(input, base, added, where, out);
  out.pad_to(size, std::nullopt);
  for (VocabEntry& entry : base) out.put(entry.id, std::move(entry.text), TokenType::normal);

  Decoding decoding;
  read_decoder(json.decoder, decoding);
  for (const AddedToken& token : added.tokens()) {
    if (token.id >= size) continue;
    const bool plain = input.policy.plain_added_tokens;
    std::string text = plain ? token.content : text_of(token, decoding);
    const bool control = token.special || (!plain && looks_special(text));
    if (!control && !plain) text = replace_all(text, kLowerBlock, " ");
    out.put(static_cast<std::size_t>(token.id), std::move(text),
            control ? TokenType::control : TokenType::user_defined);
    out.added.emplace_back(token.content, static_cast<std::uint32_t>(token.id));
  }
  out.merges = std::move(json.merges);
  if (older) input.json.reset();
  return out;
}

}  // namespace qtz
