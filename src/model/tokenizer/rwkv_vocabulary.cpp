// RWKV's vocabulary "World": a line for each token with its id, a Python literal and the number of its bytes.
// llama.cpp takes the longest token that fits, so there are no merges, and the tokens are written as Python
// shows bytes.
#include <charconv>

#include "model/folder_file.h"
#include "model/tokenizer/python_literal.h"
#include "model/tokenizer/vocabulary.h"
#include "qtz/core/error.h"

namespace qtz {
namespace {

constexpr std::uint64_t kMaxFileBytes = 64u << 20;

std::optional<std::uint64_t> number_in(std::string_view digits) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

/// The token of one line; `id` is the one that it must have.
std::string read_line(std::string_view line, std::size_t id, const std::string& where) {
  const auto refuse = [&](const std::string& problem) {
    throw Error(
        ErrorKind::input_invalid,
        where + ": line " + std::to_string(id) + " " + problem + ": '" + printable(line.substr(0, 60)) + "'",
        "each line is an id, a Python literal and a number of bytes");
  };
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || last <= first) refuse("has not three parts");
  if (number_in(line.substr(0, first)) != id) refuse("has another id than " + std::to_string(id));
  auto bytes = parse_python_literal(line.substr(first + 1, last - first - 1));
  if (!bytes) refuse("has no Python literal");
  if (bytes->empty()) refuse("has an empty token");
  if (number_in(line.substr(last + 1)) != bytes->size())
    refuse("has another number of bytes than its token, " + std::to_string(bytes->size()));
  return std::move(*bytes);
}

}  // namespace

Vocabulary read_rwkv_vocabulary(TokenizerInput& input) {
  const auto path = input.hub.path("rwkv_vocab_v20230424.txt");
  const std::string where = printable(path.native());
  const std::string text = read_folder_text(path, kMaxFileBytes);
  Vocabulary out;
  out.model = "rwkv";
  out.tokens.emplace_back("<s>");
  out.types.push_back(static_cast<std::int32_t>(TokenType::control));
  for (std::string_view rest = text; !rest.empty();) {
    const auto end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() && rest.empty()) break;
    const std::size_t id = out.tokens.size();
    check_vocabulary_size(id + std::uint64_t{1}, where);
    out.tokens.push_back(python_text_of(read_line(line, id, where)));
    out.types.push_back(static_cast<std::int32_t>(TokenType::normal));
  }
  out.token_count = out.tokens.size();
  if (out.token_count == 1) throw Error(ErrorKind::input_invalid, where + ": the vocabulary is empty");
  if (input.vocab_size != 0 && out.token_count > input.vocab_size) {
    throw Error(ErrorKind::input_invalid,
                where + ": has " + std::to_string(out.token_count) + " tokens, but the model has " +
                    std::to_string(input.vocab_size) + " embedding rows",
                "the tokenizer belongs to another model, or vocab_size in config.json is wrong");
  }
  out.pad_to(input.vocab_size, std::nullopt);
  out.special_ids = {{"bos", 0}, {"eos", 0}};
  return out;
}

}  // namespace qtz
