// Mistral's tekken.json: a vocabulary of bytes with ranks, and special tokens that come first. Format:
// mistral-common's tokens/tokenizers/tekken.py.
#include <algorithm>

#include "model/folder_file.h"
#include "model/tokenizer/base64.h"
#include "model/tokenizer/byte_alphabet.h"
#include "model/tokenizer/merge_ranks.h"
#include "model/tokenizer/vocabulary.h"
#include "qtz/core/error.h"

namespace qtz {
namespace {

constexpr JsonLimits kTekkenFile{64u << 20, 16};
constexpr std::uint64_t kByteTokens = 256;

/// The special tokens of files from before they were listed.
constexpr const char* kOlderSpecials[] = {
    "<unk>",
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
    "[TOOL_CALLS]",
    "[IMG]",
    "<pad>",
    "[IMG_BREAK]",
    "[IMG_END]",
    "[PREFIX]",
    "[MIDDLE]",
    "[SUFFIX]",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "[TOOL_CONTENT]",
};

class TekkenFile {
 public:
  explicit TekkenFile(const std::filesystem::path& path)
      : where_(printable(path.native())), document_(read_folder_json(path, kTekkenFile)) {
    const JsonValue& config = need(document_, "config", "the document");
    const std::uint64_t size = need_count(config, "default_vocab_size");
    special_count_ = need_count(config, "default_num_special_tokens");
    check_vocabulary_size(size, where_);
    if (special_count_ >= size)
      refuse("claims " + std::to_string(special_count_) + " special tokens of " + std::to_string(size));
    const JsonValue* version = config.find("version");
    if (version != nullptr && version->as_string() != nullptr) version_ = *version->as_string();
    read_specials();
    read_tokens(static_cast<std::size_t>(size - special_count_));
  }

  const std::string& where() const noexcept { return where_; }
  const std::string& version() const noexcept { return version_; }
  const std::vector<std::string>& specials() const noexcept { return specials_; }
  const std::vector<std::string>& tokens() const noexcept { return tokens_; }

 private:
  [[noreturn]] void refuse(const std::string& problem) const {
    throw Error(ErrorKind::input_invalid, where_ + ": " + problem, "fetch the file again");
  }

  const JsonValue& need(const JsonValue& object, std::string_view key, std::string_view of) const {
    const JsonValue* value = object.find(key);
    if (value == nullptr) refuse(std::string(of) + " has no '" + std::string(key) + "'");
    return *value;
  }

  std::uint64_t need_count(const JsonValue& config, std::string_view key) const {
    const auto count = need(config, key, "'config'").as_uint();
    if (!count) refuse("'" + std::string(key) + "' is no count");
    return *count;
  }

  const JsonArray& need_list(std::string_view key) const {
    const JsonArray* list = need(document_, key, "the document").as_array();
    if (list == nullptr) refuse("'" + std::string(key) + "' is no list");
    return *list;
  }

  const std::string& need_text(const JsonValue& entry, std::string_view key, const std::string& name) const {
    const JsonValue* value = entry.find(key);
    const std::string* text = value ? value->as_string() : nullptr;
    if (text == nullptr) refuse(name + " has no text '" + std::string(key) + "'");
    return *text;
  }

  void read_specials() {
    const JsonValue* listed = document_.find("special_tokens");
    if (listed == nullptr || listed->is_null()) {
      specials_.assign(std::begin(kOlderSpecials), std::end(kOlderSpecials));
    } else {
      for (const JsonValue& entry : need_list("special_tokens"))
        specials_.push_back(
            need_text(entry, "token_str", "special token " + std::to_string(specials_.size())));
    }
    if (specials_.size() > special_count_) {
      refuse("has " + std::to_string(specials_.size()) + " special tokens, but room for " +
             std::to_string(special_count_));
    }
    for (std::uint64_t id = specials_.size(); id < special_count_; ++id)
      specials_.push_back("<SPECIAL_" + std::to_string(id) + ">");
  }

  /// The file may list more tokens than a model has.
  void read_tokens(std::size_t wanted) {
    const JsonArray& list = need_list("vocab");
    if (list.size() < wanted) {
      refuse("lists " + std::to_string(list.size()) + " tokens, but 'config' wants " +
             std::to_string(wanted));
    }
    for (std::size_t i = 0; i < wanted; ++i) {
      const std::string name = "token " + std::to_string(i);
      const JsonValue* rank = list[i].find("rank");
      if (rank == nullptr || rank->as_uint() != i) refuse(name + " has another rank than its place");
      auto bytes = decode_base64(need_text(list[i], "token_bytes", name));
      if (!bytes) refuse(name + " is not Base64");
      if (bytes->size() > kMaxRankedBytes) {
        refuse(name + " has " + std::to_string(bytes->size()) + " bytes, more than " +
               std::to_string(kMaxRankedBytes));
      }
      tokens_.push_back(std::move(*bytes));
    }
  }

  std::string where_;
  JsonValue document_;
  std::string version_;
  std::uint64_t special_count_ = 0;
  std::vector<std::string> specials_;
  std::vector<std::string> tokens_;
};

/// The name under which llama.cpp knows the template of a version.
std::string template_of(const std::string& version) {
  if (version == "v3" || version == "v7") return "mistral-" + version + "-tekken";
  return {};
}

void set_special_ids(const TekkenFile& file, Vocabulary& out) {
  const auto find = [&](const char* text) {
    return std::find(file.specials().begin(), file.specials().end(), text) - file.specials().begin();
  };
  const auto count = static_cast<std::ptrdiff_t>(file.specials().size());
  const std::ptrdiff_t eos = find("</s>");
  const std::ptrdiff_t pad = find("<pad>");
  const std::pair<const char*, std::ptrdiff_t> wanted[] = {
      {"bos", find("<s>")}, {"eos", eos}, {"unk", find("<unk>")}, {"pad", pad < count ? pad : eos}};
  for (const auto& [name, id] : wanted) {
    if (id < count) out.special_ids.emplace_back(name, static_cast<std::uint32_t>(id));
  }
}

}  // namespace

Vocabulary read_tekken_vocabulary(TokenizerInput& input) {
  const TekkenFile file(input.hub.path("tekken.json"));
  const std::string& where = file.where();
  Vocabulary out;
  out.model = "gpt2";
  out.pre = input.pre_override ? *input.pre_override : "tekken";
  const std::size_t first = file.specials().size();
  out.token_count = first + file.tokens().size();
  if (input.vocab_size != 0 && input.vocab_size < out.token_count) {
    throw Error(ErrorKind::input_invalid,
                where + ": has " + std::to_string(out.token_count) + " tokens, but the model has " +
                    std::to_string(input.vocab_size) + " embedding rows",
                "the tokenizer belongs to another model, or vocab_size in config.json is wrong");
  }
  out.pad_to(std::max(out.token_count, input.vocab_size), std::nullopt);
  for (std::size_t id = 0; id < first; ++id) {
    out.put(id, file.specials()[id], TokenType::control);
    out.added.emplace_back(file.specials()[id], static_cast<std::uint32_t>(id));
  }
  const MergeRanks ranks(file.tokens(), where);
  for (std::uint32_t rank = 0; rank < file.tokens().size(); ++rank) {
    out.put(first + rank, encode_byte_alphabet(file.tokens()[rank]), TokenType::normal);
    if (rank < kByteTokens) continue;
    const auto merges = ranks.all_merges(rank);
    if (merges.empty()) {
      throw Error(ErrorKind::input_invalid,
                  where + ": token " + std::to_string(rank) + " ('" + printable(file.tokens()[rank]) +
                      "') is not made of two others",
                  "fetch the file again");
    }
    for (const MergeRanks::Parts& parts : merges) out.merges.push_back(merge_text(parts));
  }
  if (out.merges.empty()) throw Error(ErrorKind::input_invalid, where + ": has no token of two bytes");
  set_special_ids(file, out);
  // Nobody reads scores of such a vocabulary; the converter writes integers.
  out.keys.set("tokenizer.ggml.scores", std::vector<std::int32_t>(out.tokens.size(), 0));
  out.keys.set("tokenizer.ggml.add_bos_token", true);
  out.keys.set("tokenizer.ggml.add_eos_token", false);
  out.chat_template = template_of(file.version());
  return out;
}

}  // namespace qtz
