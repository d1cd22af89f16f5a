// Type rules as a person writes them: --tensor-type REGEX=TYPE and recipe files.
#include <vector>

#include "qtz/core/error.h"
#include "qtz/core/text.h"
#include "qtz/pipeline/recipe.h"
#include "rule_lines.h"

namespace qtz {
namespace {

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
  std::vector<TypeRule> rules;
  for_rule_lines(path, [&](std::string_view line) { rules.push_back(rule_from(line)); });
  return rules;
}

}  // namespace qtz
