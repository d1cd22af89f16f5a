#include "cli/model_text.h"

#include <algorithm>

#include "cli/flags.h"
#include "qtz/core/error.h"
#include "qtz/core/input_file.h"
#include "qtz/core/json.h"
#include "qtz/core/text.h"
#include "qtz/forward/decoder.h"

namespace qtz::cli {
namespace {

constexpr std::uint64_t kMostBytes = 1U << 30;

/// The text in one line of a .jsonl file.
std::string text_of_line(std::string_view line, const std::string& field, const std::string& where) {
  const JsonValue object = parse_json(line, JsonLimits{}, where);
  const JsonValue* value = object.find(field);
  const std::string* text = value == nullptr ? nullptr : value->as_string();
  if (text == nullptr) {
    throw Error(ErrorKind::input_invalid, where + ": has no text in a field '" + printable(field) + "'",
                "name the field with --field");
  }
  return *text;
}

}  // namespace

void add_batch(CLI::App& app, std::string& value) {
  add_value(app, "--batch", value, "N", "Resources",
            "run as many windows at a time as have no more than N tokens (default: " +
                std::to_string(kDefaultBatch) + "); fewer\nneed less memory");
}

std::uint64_t parse_batch(const std::string& text) {
  constexpr std::uint64_t kMost = 1U << 20;
  const std::uint64_t batch = parse_count("--batch", text, kDefaultBatch, kMost);
  if (batch == 0) throw Error(ErrorKind::usage, "--batch needs a number of tokens, not 0");
  return batch;
}

std::string read_text(const std::string& path) {
  return read_text_file_or_pipe(path == "-" ? "/dev/stdin" : path, kMostBytes);
}

std::vector<std::uint32_t> read_tokens(const std::string& path, const std::string& field,
                                       const TextEncoder& encoder) {
  const std::string content = read_text(path);
  if (!path.ends_with(".jsonl")) return encoder.encode(content);
  std::vector<std::uint32_t> tokens;
  std::uint64_t number = 0;
  for (std::size_t begin = 0; begin < content.size();) {
    const std::size_t end = std::min(content.find('\n', begin), content.size());
    const std::string_view line(content.data() + begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string where = printable(path) + ": line " + std::to_string(number);
    const std::vector<std::uint32_t> more =
        encoder.encode(text_of_line(line, field.empty() ? "text" : field, where));
    tokens.insert(tokens.end(), more.begin(), more.end());
  }
  return tokens;
}

}  // namespace qtz::cli
