// Vocabularies of bytes in tiktoken's form, a Base64 text and a rank on each line: the first Qwen, Kimi,
// Hunyuan. The merges are worked out from the ranks, and the special tokens, which only the code beside the
// model names, come from the policy.
#include <charconv>

#include "model/folder_file.h"
#include "model/tokenizer/base64.h"
#include "model/tokenizer/byte_alphabet.h"
#include "model/tokenizer/merge_ranks.h"
#include "model/tokenizer/vocabulary.h"
#include "qtz/core/error.h"

namespace qtz {
namespace {

constexpr std::uint64_t kMaxFileBytes = 64u << 20;

/// Tokens by rank.
std::vector<std::string> read_ranks(const std::filesystem::path& path) {
  const std::string text = read_folder_text(path, kMaxFileBytes);
  const std::string where = printable(path.native());
  std::vector<std::string> tokens;
  std::size_t number = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const auto end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const auto refuse = [&](const std::string& problem) {
      throw Error(ErrorKind::input_invalid, where + ": line " + std::to_string(number) + " " + problem,
                  "each line is a Base64 text, a space and a rank");
    };
    const auto space = std::min(line.find(' '), line.size());
    auto bytes = decode_base64(line.substr(0, space));
    if (!bytes) refuse("does not begin with a Base64 text: '" + printable(line.substr(0, 40)) + "'");
    if (bytes->size() > kMaxRankedBytes)
      refuse("is a token of " + std::to_string(bytes->size()) + " bytes, more than " +
             std::to_string(kMaxRankedBytes));
    const std::string_view digits = line.substr(std::min(space + 1, line.size()));
    std::uint64_t rank = 0;
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), rank);
    if (error != std::errc{} || stop != digits.data() + digits.size()) refuse("has no number for its rank");
    if (rank != tokens.size())
      refuse("has the rank " + std::to_string(rank) + ", but " + std::to_string(tokens.size()) +
             " comes next");
    check_vocabulary_size(rank + 1, where);
    tokens.push_back(std::move(*bytes));
  }
  if (tokens.empty()) throw Error(ErrorKind::input_invalid, where + ": the vocabulary is empty");
  return tokens;
}

/// The policy's special tokens, then the reserved ones with the names that tokenizer_config.json gives them.
std::vector<std::string> specials_after(std::size_t first, const TokenizerInput& input) {
  const TokenizerPolicy::Tiktoken& rules = input.policy.tiktoken;
  std::vector<std::string> out = rules.specials;
  const std::size_t listed = out.size();
  for (std::uint64_t i = 0; i < rules.reserved; ++i)
    out.push_back("<|reserved_token_" + std::to_string(first + listed + i) + "|>");
  for (const AddedToken& token : input.hub.config_tokens()) {
    if (token.id >= first + listed && token.id < first + out.size())
      out[static_cast<std::size_t>(token.id) - first] = token.content;
  }
  return out;
}

void take_named_eos(const TokenizerInput& input, Vocabulary& out) {
  const JsonValue* value = input.hub.config().find("eos_token");
  const std::string* text = value ? token_text(*value) : nullptr;
  const auto id = text ? out.find_added(*text) : std::nullopt;
  if (id) out.special_ids.emplace_back("eos", *id);
}

}  // namespace

Vocabulary read_tiktoken_vocabulary(TokenizerInput& input) {
  const TokenizerPolicy::Tiktoken& rules = input.policy.tiktoken;
  const auto path = input.hub.path(rules.file);
  const std::string where = printable(path.native());
  const std::vector<std::string> tokens = read_ranks(path);
  const std::vector<std::string> specials = specials_after(tokens.size(), input);

  Vocabulary out;
  out.model = "gpt2";
  out.pre = input.pre_override ? *input.pre_override : rules.pre;
  out.token_count = tokens.size() + specials.size();
  const std::uint64_t size = input.vocab_size != 0 ? input.vocab_size : out.token_count;
  if (tokens.size() > size) {
    throw Error(ErrorKind::input_invalid,
                where + ": has " + std::to_string(tokens.size()) + " tokens, but the model has " +
                    std::to_string(size) + " embedding rows",
                "the tokenizer belongs to another model, or vocab_size in config.json is wrong");
  }
  out.pad_to(size, std::nullopt);
  const MergeRanks ranks(tokens, where);
  std::uint64_t unmade = 0;
  for (std::uint32_t rank = 0; rank < tokens.size(); ++rank) {
    out.put(rank, encode_byte_alphabet(tokens[rank]), TokenType::normal);
    if (tokens[rank].size() == 1) continue;
    if (const auto parts = ranks.last_merge(rank)) {
      out.merges.push_back(merge_text(*parts));
    } else {
      ++unmade;
    }
  }
  if (out.merges.empty()) {
    throw Error(ErrorKind::input_invalid, where + ": no token is made of two others",
                "llama.cpp loads no such vocabulary without merges: is the file whole?");
  }
  if (unmade > 0) {
    input.warnings.push_back(where + ": " + std::to_string(unmade) + " of " + std::to_string(tokens.size()) +
                             " tokens are not made of two others, and no text is cut into them");
  }
  for (std::size_t i = 0; i < specials.size() && tokens.size() + i < size; ++i) {
    const std::size_t id = tokens.size() + i;
    out.put(id, specials[i], TokenType::control);
    out.added.emplace_back(specials[i], static_cast<std::uint32_t>(id));
  }
  if (out.token_count > size) {
    input.warnings.push_back(where + ": " + std::to_string(out.token_count - size) +
                             " special tokens have ids beyond the " + std::to_string(size) +
                             " embedding rows: left out");
  }
  if (rules.named_eos) take_named_eos(input, out);
  return out;
}

}  // namespace qtz
