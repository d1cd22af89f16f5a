// The commands and flags of qtz as plain data, read from the parser itself: completions and the man page are
// made of it, so that neither can lack a flag.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}  // namespace CLI

namespace qtz::cli {

struct FlagRow {
  std::vector<std::string> names;  ///< with their dashes; for an argument its name alone
  bool positional = false;
  std::string metavar;               ///< empty: takes no value
  std::vector<std::string> choices;  ///< what the value can be, where the words are known; empty: anything
  std::string group;
  std::string text;  ///< the first line is the short help

  bool takes_value() const noexcept { return !metavar.empty(); }
};

struct CommandRow {
  std::string name;  ///< empty for qtz itself
  std::string text;  ///< the first line is the short help
  std::string examples;
  std::vector<FlagRow> flags;
};

/// qtz itself first, then its commands in the order of their help.
std::vector<CommandRow> read_flag_table(const CLI::App& root);

/// "text" up to its first line break.
std::string first_line(const std::string& text);

}  // namespace qtz::cli
