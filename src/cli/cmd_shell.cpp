// qtz completions, qtz man: what a package installs beside the program.
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.h"
#include "cli/completions.h"
#include "cli/flag_table.h"
#include "cli/flags.h"
#include "cli/man_page.h"
#include "qtz/core/error.h"

namespace qtz::cli {
namespace {

constexpr const char* kLine = "print a shell's completion script, the manual page";

std::string shells_text(const std::string& between) {
  std::string text;
  for (const auto& shell : list_shells()) text += (text.empty() ? "" : between) + shell;
  return text;
}

ExitCode print_completions(const CLI::App& root, const std::string& shell, Console& console) {
  require_value(shell, "a SHELL (" + shells_text(", ") + ")", "completions");
  const std::string script = completion_script(shell, read_flag_table(root));
  if (script.empty()) {
    throw Error(ErrorKind::usage, "no completions for '" + printable(shell) + "'",
                "there are some for " + shells_text(", "));
  }
  console.data(script);
  return ExitCode::ok;
}

}  // namespace

Command setup_completions(CLI::App& root) {
  CLI::App* app = root.add_subcommand("completions",
                                      "print the completion script of a shell\n"
                                      "Put it where the shell looks for them, or source it.");
  share_line(*app, kLine);
  const auto shell = std::make_shared<std::string>();
  add_positional(*app, "SHELL", *shell, shells_text("|"));
  set_examples(*app,
               "source <(qtz completions bash)\n"
               "qtz completions zsh > ~/.zfunc/_qtz\n"
               "qtz completions fish > ~/.config/fish/completions/qtz.fish");
  return {app, [&root, shell](Console& console) { return print_completions(root, *shell, console); }};
}

Command setup_man(CLI::App& root) {
  CLI::App* app = root.add_subcommand("man", "print the manual page, as roff");
  share_line(*app, kLine);
  set_examples(*app, "qtz man | man -l -");
  return {app, [&root](Console& console) {
            console.data(man_page(read_flag_table(root)));
            return ExitCode::ok;
          }};
}

}  // namespace qtz::cli
