#include "cli/man_page.h"

#include <algorithm>
#include <string_view>

#include "cli/exit_codes.h"
#include "cli/version.h"

namespace qtz::cli {
namespace {

/// Text as roff reads it: a line that begins with a dot or a quote would be a request.
std::string roff(std::string_view text) {
  std::string out;
  bool line_start = true;
  for (const char c : text) {
    if (line_start && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
    line_start = c == '\n';
  }
  return out;
}

std::string bold(std::string_view text) {
  return "\\fB" + roff(text) + "\\fR";
}

std::string label(const FlagRow& flag) {
  std::string text;
  for (const auto& name : flag.names) text += (text.empty() ? "" : ", ") + bold(name);
  if (flag.takes_value()) text += " \\fI" + roff(flag.metavar) + "\\fR";
  return text;
}

/// Help texts are as wide as a screen: of their line ends, those after the first line and after a sentence
/// are meant, and the others are a page's to choose.
std::string lines(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    out += roff(line) + "\n";
    const bool meant = at == 0 || line.ends_with('.') || line.ends_with(':');
    at = end + 1;
    const bool begins = at < text.size() && text[at] >= 'A' && text[at] <= 'Z';
    if (meant && begins) out += ".br\n";
  }
  return out;
}

std::string literal(std::string_view text) {
  return ".nf\n" + roff(text) + "\n.fi\n";
}

std::string flags_of(const CommandRow& command) {
  std::string text;
  std::string group;
  for (const auto& flag : command.flags) {
    if (flag.group != group) {
      group = flag.group;
      text += ".PP\n" + roff(group) + ":\n";
    }
    text += ".TP\n" + label(flag) + "\n" + lines(flag.text);
  }
  return text;
}

std::string command_section(const CommandRow& command) {
  std::string synopsis = bold("qtz " + command.name);
  for (const auto& flag : command.flags) {
    if (flag.positional) synopsis += " \\fI" + roff(flag.names.front()) + "\\fR";
  }
  std::string text =
      ".SS qtz " + roff(command.name) + "\n" + synopsis + " [\\fIflags\\fR]\n.PP\n" + lines(command.text);
  if (!command.examples.empty()) text += ".PP\nExamples:\n.PP\n" + literal(command.examples);
  return text + flags_of(command);
}

std::string exit_codes() {
  std::string text;
  for (const ExitCodeRow& row : kExitCodes) {
    text += ".TP\n" + bold(row.codes) + "\n" + roff(row.meaning) + "\n";
  }
  return text;
}

constexpr std::string_view kEnvironment =
    ".TP\n\\fBQTZ_BACKEND\\fR\nthe backend where \\-\\-backend is not given\n"
    ".TP\n\\fBNO_COLOR\\fR\nif set and not empty, no colour\n"
    ".TP\n\\fBTERM\\fR\n\\fIdumb\\fR: no progress bar and no colour\n";

}  // namespace

std::string man_page(std::span<const CommandRow> table) {
  const CommandRow& root = table.front();
  std::string text = ".TH QTZ 1 \"\" \"qtz " + roff(version_number()) + "\" \"User Commands\"\n";
  text += ".SH NAME\nqtz \\- quantizes the weights of language models\n";
  text += ".SH SYNOPSIS\n" + bold("qtz") + " \\fICOMMAND\\fR [\\fIarguments and flags\\fR]\n";
  text += ".SH DESCRIPTION\n" + lines(root.text) +
          ".PP\nData goes to standard output, everything said to standard error; nothing ever asks a "
          "question.\n";
  text += ".SH COMMANDS\n";
  for (const auto& command : table) {
    if (!command.name.empty()) text += command_section(command);
  }
  text += ".SH EXIT STATUS\n" + exit_codes();
  text += ".SH ENVIRONMENT\n" + std::string(kEnvironment);
  text += ".SH EXAMPLES\n" + literal(root.examples);
  return text;
}

}  // namespace qtz::cli
