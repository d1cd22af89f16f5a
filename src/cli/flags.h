// Small helpers of the setup functions: flags that take exactly one word each time, and numbers with good
// errors.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace qtz::cli {

/// Words of help: `text` up to the first line break is the short help, all of it the long help.
CLI::Option* add_value(CLI::App& app, const std::string& names, std::string& value,
                       const std::string& metavar, const std::string& group, const std::string& text);

/// The same for a flag that may be given several times, one word each.
CLI::Option* add_values(CLI::App& app, const std::string& names, std::vector<std::string>& values,
                        const std::string& metavar, const std::string& group, const std::string& text);

CLI::Option* add_switch(CLI::App& app, const std::string& names, bool& value, const std::string& group,
                        const std::string& text);

/// The INPUT of a command; `what` is its name in usage lines. Absence is reported by require_value.
CLI::Option* add_positional(CLI::App& app, const std::string& what, std::string& value,
                            const std::string& text);

/// The same for arguments of which there may be several.
CLI::Option* add_positionals(CLI::App& app, const std::string& what, std::vector<std::string>& values,
                             const std::string& text);

/// Throws usage naming `what` when it was not given.
void require_value(const std::string& value, std::string_view what, std::string_view command);

/// A whole number from 0 to `limit`; throws usage naming the flag. An empty text gives `otherwise`.
std::uint64_t parse_count(std::string_view flag, std::string_view text, std::uint64_t otherwise,
                          std::uint64_t limit);

/// "2G", "500M", "1.5GiB"; an empty text gives 0. Throws usage.
std::uint64_t parse_size(std::string_view flag, std::string_view text);

/// --threads, the same for every command: 0 and an empty text mean all cores.
unsigned parse_threads(std::string_view text);

/// In the list of commands, neighbours with the same words stand in one line.
void share_line(CLI::App& app, const std::string& text);

/// Long help shows these lines first.
void set_examples(CLI::App& app, const std::string& examples);

}  // namespace qtz::cli
