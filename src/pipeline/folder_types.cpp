// What folders can be made as, and what a person says about their modules.
#include <algorithm>
#include <array>
#include <charconv>

#include "qtz/core/error.h"
#include "qtz/core/text.h"
#include "qtz/pipeline/folder_plan.h"
#include "rule_lines.h"

namespace qtz {
namespace {

constexpr std::array kFolderTypes = {
    FolderType{"GPTQ", FolderFormat::gptq, 4, 128, true, "GPTQ's layout: vLLM, transformers, ExLlamaV2"},
    FolderType{"AWQ", FolderFormat::awq, 4, 128, false, "AWQ's layout (GEMM): vLLM, transformers"},
    FolderType{"W4A16", FolderFormat::compressed_tensors, 4, 128, true, "compressed-tensors, 4-bit weights"},
    FolderType{"W8A16", FolderFormat::compressed_tensors, 8, 0, true, "compressed-tensors, 8-bit weights"},
};

std::optional<std::uint64_t> whole_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

[[noreturn]] void refuse_word(std::string_view word) {
  throw Error(ErrorKind::usage, "'" + printable(word) + "' says nothing about a module",
              "what can be said is keep, a number of bits, group:N, sym and asym");
}

void apply_word(std::string_view word, ModuleRule& rule) {
  const std::string lower = ascii_lower(word);
  const auto number_after = [&](std::string_view prefix) {
    const auto number = whole_number(std::string_view(lower).substr(prefix.size()));
    if (!number) refuse_word(word);
    return *number;
  };
  if (lower == "keep") {
    rule.keep = true;
  } else if (lower == "sym" || lower == "asym") {
    rule.symmetric = lower == "sym";
  } else if (lower == "group:-1") {
    rule.group_size = 0;
  } else if (lower.starts_with("group:")) {
    rule.group_size = number_after("group:");
  } else {
    rule.bits = static_cast<unsigned>(
        std::min<std::uint64_t>(number_after(lower.starts_with("bits:") ? "bits:" : ""), 99));
  }
}

}  // namespace

std::span<const FolderType> list_folder_types() {
  return kFolderTypes;
}

const FolderType* find_folder_type(std::string_view name) {
  for (const FolderType& type : kFolderTypes) {
    if (equals_ignoring_case(type.name, name)) return &type;
  }
  return nullptr;
}

ModuleRule parse_module_rule(std::string_view text) {
  const std::size_t divides = text.rfind('=');
  if (divides == std::string_view::npos) {
    throw Error(ErrorKind::usage, "'" + printable(text) + "' is no rule for modules",
                "write REGEX=keep, or REGEX= and bits, like 'down_proj=8,group:64'");
  }
  ModuleRule rule{Regex(std::string(trimmed(text.substr(0, divides))))};
  std::string_view words = text.substr(divides + 1);
  while (true) {
    const std::size_t comma = words.find(',');
    apply_word(trimmed(words.substr(0, comma)), rule);
    if (comma == std::string_view::npos) return rule;
    words.remove_prefix(comma + 1);
  }
}

std::vector<ModuleRule> read_module_rules(const std::filesystem::path& path) {
  std::vector<ModuleRule> rules;
  for_rule_lines(path, [&](std::string_view line) { rules.push_back(parse_module_rule(line)); });
  return rules;
}

}  // namespace qtz
