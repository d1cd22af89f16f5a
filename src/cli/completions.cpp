#include "cli/completions.h"

#include <algorithm>

namespace qtz::cli {
namespace {

std::string join(std::span<const std::string> words, std::string_view between) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : std::string(between)) + word;
  return text;
}

std::string single_quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::vector<std::string> command_names(std::span<const CommandRow> table) {
  std::vector<std::string> names;
  for (const auto& command : table) {
    if (!command.name.empty()) names.push_back(command.name);
  }
  return names;
}

std::vector<std::string> flag_names(const CommandRow& command) {
  std::vector<std::string> names;
  for (const auto& flag : command.flags) {
    if (!flag.positional) names.insert(names.end(), flag.names.begin(), flag.names.end());
  }
  return names;
}

std::string bash_values(const CommandRow& command) {
  std::string text;
  for (const auto& flag : command.flags) {
    if (!flag.positional && !flag.takes_value()) continue;
    if (flag.positional && flag.choices.empty()) continue;
    std::vector<std::string> patterns;
    for (const auto& name : flag.names) {
      patterns.push_back(flag.positional ? "'" + command.name + " " + command.name + "'"
                                         : "'" + command.name + " " + name + "'");
    }
    text += "    " + join(patterns, "|") + ")\n";
    // Nothing offered means file names, by "complete -o default".
    if (!flag.choices.empty()) {
      text += "      COMPREPLY=($(compgen -W '" + join(flag.choices, " ") + "' -- \"$current\"))\n";
    }
    text += "      return ;;\n";
  }
  return text;
}

std::string bash_script(std::span<const CommandRow> table) {
  std::string values;
  std::string flags;
  for (const auto& command : table) {
    if (command.name.empty()) continue;
    values += bash_values(command);
    flags += "    " + command.name + ") words='" + join(flag_names(command), " ") + "' ;;\n";
  }
  return "# bash completion of qtz\n"
         "_qtz() {\n"
         "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words\n"
         "  # bash takes --flag=value apart\n"
         "  if [[ $current == = ]]; then current=\n"
         "  elif [[ $previous == = ]]; then previous=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
         "  COMPREPLY=()\n"
         "  if ((COMP_CWORD == 1)); then\n"
         "    COMPREPLY=($(compgen -W '" +
         join(command_names(table), " ") + " " + join(flag_names(table.front()), " ") +
         "' -- \"$current\"))\n"
         "    return\n"
         "  fi\n"
         "  case \"${COMP_WORDS[1]} $previous\" in\n" +
         values +
         "  esac\n"
         "  [[ $current == -* ]] || return\n"
         "  case ${COMP_WORDS[1]} in\n" +
         flags +
         "  esac\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
         "}\n"
         "complete -o default -o bashdefault -F _qtz qtz\n";
}

/// Text inside the brackets of a zsh specification.
std::string zsh_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_action(const FlagRow& flag) {
  return flag.choices.empty() ? "_files" : "(" + join(flag.choices, " ") + ")";
}

std::string zsh_flags(const CommandRow& command) {
  std::string text;
  int position = 0;
  for (const auto& flag : command.flags) {
    const std::string words = zsh_text(first_line(flag.text));
    if (flag.positional) {
      text += " \\\n        " + single_quoted(std::to_string(++position) + ":" +
                                              zsh_text(flag.names.front()) + ":" + zsh_action(flag));
      continue;
    }
    for (const auto& name : flag.names) {
      std::string spec =
          "*" + name + (flag.takes_value() && name.starts_with("--") ? "=" : "") + "[" + words + "]";
      if (flag.takes_value()) spec += ":" + zsh_text(flag.metavar) + ":" + zsh_action(flag);
      text += " \\\n        " + single_quoted(spec);
    }
  }
  return text;
}

std::string zsh_script(std::span<const CommandRow> table) {
  std::string commands;
  std::string cases;
  for (const auto& command : table) {
    if (command.name.empty()) continue;
    commands += "    " + single_quoted(command.name + ":" + first_line(command.text)) + "\n";
    cases += "    " + command.name + ")\n      _arguments -s -S" + zsh_flags(command) + " ;;\n";
  }
  return "#compdef qtz\n"
         "_qtz() {\n"
         "  local -a commands\n"
         "  commands=(\n" +
         commands +
         "  )\n"
         "  if ((CURRENT == 2)); then\n"
         "    _describe command commands\n"
         "    return\n"
         "  fi\n"
         "  local command=$words[2]\n"
         "  shift words\n"
         "  ((CURRENT--))\n"
         "  case $command in\n" +
         cases +
         "  esac\n"
         "}\n"
         "_qtz \"$@\"\n";
}

std::string fish_line(const std::string& condition, const std::string& rest) {
  return "complete -c qtz -n " + single_quoted(condition) + rest + "\n";
}

std::string fish_flag(const std::string& condition, const FlagRow& flag) {
  std::string rest;
  if (flag.positional) {
    return flag.choices.empty() ? ""
                                : fish_line(condition, " -f -a " + single_quoted(join(flag.choices, " ")));
  }
  for (const auto& name : flag.names) {
    rest += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  }
  if (!flag.choices.empty()) {
    rest += " -x -a " + single_quoted(join(flag.choices, " "));
  } else if (flag.takes_value()) {
    rest += " -r";
  }
  return fish_line(condition, rest + " -d " + single_quoted(first_line(flag.text)));
}

std::string fish_script(std::span<const CommandRow> table) {
  const std::string none = "__fish_use_subcommand";
  std::string text = "# fish completion of qtz\n";
  for (const auto& command : table) {
    if (command.name.empty()) {
      for (const auto& flag : command.flags) text += fish_flag(none, flag);
      continue;
    }
    text += fish_line(none, " -f -a " + command.name + " -d " + single_quoted(first_line(command.text)));
    for (const auto& flag : command.flags) {
      text += fish_flag("__fish_seen_subcommand_from " + command.name, flag);
    }
  }
  return text;
}

struct Shell {
  std::string_view name;
  std::string (*script)(std::span<const CommandRow>);
};

constexpr Shell kShells[] = {{"bash", bash_script}, {"fish", fish_script}, {"zsh", zsh_script}};

}  // namespace

std::vector<std::string> list_shells() {
  std::vector<std::string> names;
  for (const Shell& shell : kShells) names.emplace_back(shell.name);
  return names;
}

std::string completion_script(std::string_view shell, std::span<const CommandRow> table) {
  const auto* found = std::find_if(std::begin(kShells), std::end(kShells),
                                   [&](const Shell& candidate) { return candidate.name == shell; });
  return found == std::end(kShells) ? std::string() : found->script(table);
}

}  // namespace qtz::cli
