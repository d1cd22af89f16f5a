#include "cli/flag_table.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string_view>

#include "qtz/core/dtype.h"
#include "qtz/kernels/backend.h"
#include "qtz/model/gguf_model.h"
#include "qtz/model/tokenizer.h"
#include "qtz/pipeline/folder_plan.h"
#include "qtz/pipeline/recipe.h"

namespace qtz::cli {
namespace {

/// "auto|always|never": the words themselves, unless one stands for many ("FILE|fd:N|-").
std::vector<std::string> words_of(std::string_view metavar) {
  std::vector<std::string> words;
  if (metavar.find('|') == std::string_view::npos) return words;
  while (!metavar.empty()) {
    const auto end = std::min(metavar.find('|'), metavar.size());
    const std::string_view word = metavar.substr(0, end);
    const bool literal = std::all_of(word.begin(), word.end(), [](char c) { return c >= 'a' && c <= 'z'; });
    if (!literal) return {};
    words.emplace_back(word);
    metavar.remove_prefix(std::min(end + 1, metavar.size()));
  }
  return words;
}

std::vector<std::string> choices_of(const CLI::Option& option) {
  std::vector<std::string> choices;
  if (option.check_lname("type")) {
    for (const FileType& type : list_file_types()) choices.emplace_back(type.name);
    for (const FolderType& type : list_folder_types()) choices.emplace_back(type.name);
  } else if (option.get_type_name() == "T") {  // of one tensor
    for (const DTypeTraits& type : all_dtypes()) {
      if (type.encodable) choices.emplace_back(type.name);
    }
  } else if (option.check_lname("arch")) {
    for (const ArchitectureInfo& row : list_architectures()) choices.emplace_back(row.gguf_name);
    std::sort(choices.begin(), choices.end());
    choices.erase(std::unique(choices.begin(), choices.end()), choices.end());
  } else if (option.check_lname("tokenizer-pre")) {
    for (const std::string_view name : list_pre_tokenizers()) choices.emplace_back(name);
  } else if (option.check_lname("backend")) {
    for (const Backend& backend : list_backends()) choices.emplace_back(backend.name);
  } else {
    // An argument's name is its place; its words stand in its help.
    choices = words_of(option.get_positional() ? option.get_description() : option.get_type_name());
  }
  return choices;
}

FlagRow row_of(const CLI::Option& option) {
  FlagRow row;
  row.positional = option.get_positional();
  if (row.positional) {
    row.names.push_back(option.get_name(true, false));
  } else {
    for (const auto& name : option.get_snames()) row.names.push_back("-" + name);
    for (const auto& name : option.get_lnames()) row.names.push_back("--" + name);
  }
  if (!row.positional && option.get_expected_max() != 0) row.metavar = option.get_type_name();
  row.choices = choices_of(option);
  row.group = option.get_group();
  row.text = option.get_description();
  return row;
}

CommandRow row_of(const CLI::App& app) {
  CommandRow row{.name = app.get_parent() == nullptr ? "" : app.get_name(),
                 .text = app.get_description(),
                 .examples = app.get_footer(),
                 .flags = {}};
  for (const std::string& group : app.get_groups()) {
    if (group.empty()) continue;
    for (const CLI::Option* option : app.get_options({})) {
      if (option->get_group() == group) row.flags.push_back(row_of(*option));
    }
  }
  return row;
}

}  // namespace

std::vector<CommandRow> read_flag_table(const CLI::App& root) {
  std::vector<CommandRow> table{row_of(root)};
  for (const CLI::App* command : root.get_subcommands([](const CLI::App*) { return true; })) {
    table.push_back(row_of(*command));
  }
  return table;
}

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

}  // namespace qtz::cli
