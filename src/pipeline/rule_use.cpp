#include "rule_use.h"

#include <algorithm>
#include <set>

#include "qtz/core/error.h"
#include "qtz/core/text.h"
#include "tensor_role.h"

namespace qtz {
namespace {

/// What a pattern would say without the signs of regular expressions: "^blk\.0\.attn_v" is "blk.0.attn_v".
std::string literal_of(std::string_view pattern) {
  constexpr std::string_view kSigns = "\\^$*+?()";
  std::string text;
  std::copy_if(pattern.begin(), pattern.end(), std::back_inserter(text),
               [&](char c) { return kSigns.find(c) == std::string_view::npos; });
  const auto first = text.find_first_not_of('.');
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of('.') - first + 1);
}

/// The name, the name without its last part, and its parts.
void collect_parts(std::string_view name, std::set<std::string_view>& parts) {
  parts.insert(name);
  if (const auto dot = name.rfind('.'); dot != std::string_view::npos) parts.insert(name.substr(0, dot));
  while (!name.empty()) {
    const auto dot = std::min(name.find('.'), name.size());
    parts.insert(name.substr(0, dot));
    name.remove_prefix(std::min(dot + 1, name.size()));
  }
}

/// Rules that decided for a tensor need no search of their own.
bool has_decided(const TypeRule& rule, std::span<const TensorChoice> choices) {
  return std::any_of(choices.begin(), choices.end(),
                     [&](const TensorChoice& choice) { return choice.rule == &rule; });
}

/// Indices of the tensors that a rule matches, whoever decides for them.
std::vector<std::size_t> matches_of(const TypeRule& rule, std::span<const ModelTensor> tensors) {
  std::vector<std::size_t> matches;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (rule.pattern.search(tensors[i].name)) matches.push_back(i);
  }
  return matches;
}

void check_tensor_rule(const TypeRule& rule, std::span<const ModelTensor> tensors,
                       std::span<const TensorChoice> choices, std::vector<std::string>& warnings) {
  const std::string subject = "--tensor-type '" + printable(rule.pattern.pattern()) + "'";
  const std::vector<std::size_t> matches = matches_of(rule, tensors);
  if (matches.empty()) {
    std::vector<std::string_view> names;
    for (const ModelTensor& tensor : tensors) names.push_back(tensor.name);
    throw Error(ErrorKind::usage,
                subject + " matches no tensor" + suggest_name(rule.pattern.pattern(), names),
                "patterns are searched in the names that 'qtz plan' prints, and case matters");
  }
  if (!std::all_of(matches.begin(), matches.end(), [&](std::size_t i) { return choices[i].fixed; })) return;
  const std::size_t first = matches.front();
  warnings.push_back(subject + " changes nothing: it matches only tensors that are never quantized, like '" +
                     printable(tensors[first].name) + "' (" + choices[first].why + ")");
}

/// Options for the output and the embedding say nothing about a model that has neither (a generic GGUF). With
/// tied embeddings the type of the output is the embedding's.
void check_part_options(const TypeOptions& options, std::span<const ModelTensor> tensors,
                        std::vector<std::string>& warnings) {
  const auto has = [&](TensorRole role) {
    return std::any_of(tensors.begin(), tensors.end(),
                       [&](const ModelTensor& tensor) { return role_of(tensor.name) == role; });
  };
  const auto warn = [&](std::string_view option, std::string_view part) {
    warnings.push_back(std::string(option) + " changes nothing: no tensor is " + std::string(part));
  };
  const bool has_output = has(TensorRole::output);
  const bool has_embedding = has(TensorRole::token_embedding);
  if (options.leave_output_tensor && !has_output) warn("--leave-output-tensor", "the output (output.weight)");
  if (options.output_tensor_type && !has_output && !has_embedding) {
    warn("--output-tensor-type", "the output (output.weight)");
  }
  if (options.token_embedding_type && !has_embedding) {
    warn("--token-embedding-type", "the token embedding (token_embd.weight)");
  }
}

}  // namespace

std::string suggest_name(std::string_view pattern, std::span<const std::string_view> names) {
  std::set<std::string_view> parts;
  for (const std::string_view name : names) collect_parts(name, parts);
  const std::vector<std::string_view> candidates(parts.begin(), parts.end());
  const auto near = nearest(literal_of(pattern), candidates);
  return near ? ", did you mean " + printable(*near) + "?" : "";
}

std::string quoted_list(std::span<const std::string_view> items) {
  constexpr std::size_t kShown = 4;
  std::string list;
  for (std::size_t i = 0; i < std::min(kShown, items.size()); ++i) {
    list += (i == 0 ? "'" : ", '") + printable(items[i]) + "'";
  }
  return items.size() > kShown ? list + ", ..." : list;
}

void check_type_rules(const TypeOptions& options, std::span<const ModelTensor> tensors,
                      std::span<const TensorChoice> choices, std::vector<std::string>& warnings) {
  for (const TypeRule& rule : options.tensor_rules) {
    if (!has_decided(rule, choices)) check_tensor_rule(rule, tensors, choices, warnings);
  }
  check_part_options(options, tensors, warnings);
  std::vector<std::string_view> idle;
  for (const TypeRule& rule : options.recipe) {
    if (!has_decided(rule, choices) && matches_of(rule, tensors).empty())
      idle.push_back(rule.pattern.pattern());
  }
  if (idle.empty()) return;
  warnings.push_back(std::to_string(idle.size()) +
                     (idle.size() == 1 ? " line of the recipe matches" : " lines of the recipe match") +
                     " no tensor: " + quoted_list(idle));
}

}  // namespace qtz
