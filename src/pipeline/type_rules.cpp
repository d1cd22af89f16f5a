// Type rules as a person writes them: --tensor-type REGEX=TYPE and recipe files.
#include <algorithm>
#include <vector>

#include "qtz/core/error.h"
#include "qtz/core/input_file.h"
#include "qtz/core/text.h"
#include "qtz/pipeline/recipe.h"

namespace qtz {
namespace {

constexpr std::uint64_t kMaxRecipeBytes = 16u << 20;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const auto first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

/// The part of a recipe line before its comment: '#' at the start or after a blank (tensor names and patterns
/// may hold a '#' of their own).
std::string_view without_comment(std::string_view line) {
  for (std::size_t at = 0; at < line.size(); ++at) {
    if (line[at] == '#' && (at == 0 || line[at - 1] == ' ' || line[at - 1] == '\t'))
      return line.substr(0, at);
  }
  return line;
}

TypeRule rule_from(std::string_view text) {
  // The type holds no '=', a pattern may: "(?=x)".
  const auto equals = text.rfind('=');
  if (equals == std::string_view::npos || trimmed(text.substr(0, equals)).empty()) {
    throw Error(ErrorKind::usage, "'" + printable(text) + "' is not REGEX=TYPE");
  }
  return {Regex(std::string(trimmed(text.substr(0, equals)))),
          find_tensor_type(trimmed(text.substr(equals + 1)))};
}

}  // namespace

DType find_tensor_type(std::string_view name) {
  if (const auto type = find_dtype(name); type && traits(*type).encodable) return *type;
  std::vector<std::string_view> names;
  for (const DTypeTraits& type : all_dtypes()) {
    if (type.encodable) names.push_back(type.name);
  }
  std::string message = "unknown tensor type '" + printable(name) + "'";
  if (const auto meant = nearest(name, names)) message += ", did you mean " + std::string(*meant) + "?";
  std::string known;
  for (const std::string_view each : names) known += (known.empty() ? "" : " ") + std::string(each);
  throw Error(ErrorKind::usage, message, "tensor types: " + known);
}

TypeRule parse_type_rule(std::string_view text) {
  try {
    return rule_from(text);
  } catch (Error& error) {
    error.add_context("--tensor-type");
    throw;
  }
}

std::vector<TypeRule> read_recipe(const std::filesystem::path& path) {
  std::string text = read_text_file_or_pipe(path, kMaxRecipeBytes);
  std::string_view rest = text;
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (rest.starts_with(kByteOrderMark)) rest.remove_prefix(kByteOrderMark.size());

  std::vector<TypeRule> rules;
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const auto end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = trimmed(without_comment(rest.substr(0, end)));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.empty()) continue;
    try {
      rules.push_back(rule_from(line));
    } catch (Error& error) {
      error.add_context(printable(path.native()) + ":" + std::to_string(number));
      throw;
    }
  }
  return rules;
}

}  // namespace qtz
