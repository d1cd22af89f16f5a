#include "cli/help.h"

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "cli/flag_table.h"

namespace qtz::cli {
namespace {

constexpr std::size_t kColumn = 34;

/// "  left            text", the text's further lines below its first.
std::string two_columns(const std::string& left, const std::string& text) {
  std::string line = "  " + left;
  if (line.size() + 2 > kColumn) {
    line += "\n" + std::string(kColumn, ' ');
  } else {
    line.append(kColumn - line.size(), ' ');
  }
  for (const char c : text) {
    line += c;
    if (c == '\n') line.append(kColumn, ' ');
  }
  return line + "\n";
}

std::string indent_lines(const std::string& text) {
  std::string out = "  ";
  for (const char c : text) {
    out += c;
    if (c == '\n') out += "  ";
  }
  return out + "\n";
}

std::string option_label(const CLI::Option& option) {
  if (option.get_positional()) return option.get_name(true, false);
  std::string names = option.get_name(false, true);
  if (const auto comma = names.find(','); comma != std::string::npos) names.insert(comma + 1, " ");
  const bool takes_value = option.get_expected_max() != 0;
  return takes_value ? names + " " + option.get_type_name() : names;
}

/// The line that neighbours in this list have together; empty: the command has one for itself.
std::string shared_line(const CLI::App& command) {
  const CLI::App fresh;
  return command.get_group() == fresh.get_group() ? "" : command.get_group();
}

std::string command_list(const CLI::App& app) {
  const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
  if (commands.empty()) return {};
  std::string text = "\nCommands:\n";
  for (std::size_t i = 0; i < commands.size();) {
    std::string names = commands[i]->get_name();
    std::string words = first_line(commands[i]->get_description());
    const std::string shared = shared_line(*commands[i]);
    for (++i; !shared.empty() && i < commands.size() && shared_line(*commands[i]) == shared; ++i) {
      names += ", " + commands[i]->get_name();
      words = shared;
    }
    text += two_columns(names, words);
  }
  return text;
}

std::string option_groups(const CLI::App& app, bool full) {
  std::string text;
  for (const auto& group : app.get_groups()) {
    const auto options =
        app.get_options([&](const CLI::Option* option) { return option->get_group() == group; });
    if (options.empty() || group.empty()) continue;
    text += "\n" + group + ":\n";
    for (const CLI::Option* option : options) {
      const std::string& words = option->get_description();
      text += two_columns(option_label(*option), full ? words : first_line(words));
    }
  }
  return text;
}

std::string usage_line(const CLI::App& app, const std::string& name) {
  std::string text = "\nUsage: " + name;
  if (!app.get_subcommands([](const CLI::App*) { return true; }).empty()) text += " COMMAND";
  for (const CLI::Option* option :
       app.get_options([](const CLI::Option* o) { return o->get_positional(); })) {
    text += " " + option->get_name(true, false);
  }
  return text + " [flags]\n";
}

class HelpFormatter final : public CLI::FormatterBase {
 public:
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override {
    const bool full = mode == CLI::AppFormatMode::All;
    const std::string description = app->get_description();
    std::string text = (full ? description : first_line(description)) + "\n";
    if (full && !app->get_footer().empty()) text += "\nExamples:\n" + indent_lines(app->get_footer());
    text += usage_line(*app, name) + command_list(*app) + option_groups(*app, full);
    if (!full && !app->get_footer().empty()) text += "\nExamples and more: " + name + " --help\n";
    return text;
  }
};

}  // namespace

std::shared_ptr<CLI::FormatterBase> make_help_formatter() {
  return std::make_shared<HelpFormatter>();
}

}  // namespace qtz::cli
