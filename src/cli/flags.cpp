#include "cli/flags.h"

#include <CLI/CLI.hpp>
#include <charconv>

#include "qtz/core/error.h"
#include "qtz/core/text.h"

namespace qtz::cli {

CLI::Option* add_value(CLI::App& app, const std::string& names, std::string& value,
                       const std::string& metavar, const std::string& group, const std::string& text) {
  // All values are kept, so that a second one can be refused in our words.
  return app.add_option(names, value, text)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)
      ->type_name(metavar)
      ->group(group);
}

CLI::Option* add_values(CLI::App& app, const std::string& names, std::vector<std::string>& values,
                        const std::string& metavar, const std::string& group, const std::string& text) {
  return app.add_option(names, values, text)->allow_extra_args(false)->type_name(metavar)->group(group);
}

CLI::Option* add_switch(CLI::App& app, const std::string& names, bool& value, const std::string& group,
                        const std::string& text) {
  return app.add_flag(names, value, text)->disable_flag_override()->group(group);
}

CLI::Option* add_positional(CLI::App& app, const std::string& what, std::string& value,
                            const std::string& text) {
  return app.add_option(what, value, text)->type_name("")->group("Arguments");
}

CLI::Option* add_positionals(CLI::App& app, const std::string& what, std::vector<std::string>& values,
                             const std::string& text) {
  return app.add_option(what, values, text)->type_name("")->group("Arguments");
}

void require_value(const std::string& value, std::string_view what, std::string_view command) {
  if (!value.empty()) return;
  throw Error(ErrorKind::usage, std::string(command) + " needs " + std::string(what),
              "see 'qtz " + std::string(command) + " -h'");
}

std::uint64_t parse_count(std::string_view flag, std::string_view text, std::uint64_t otherwise,
                          std::uint64_t limit) {
  if (text.empty()) return otherwise;
  std::uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size() || value > limit) {
    throw Error(ErrorKind::usage, std::string(flag) + " needs a whole number from 0 to " +
                                      std::to_string(limit) + ", not '" + printable(text) + "'");
  }
  return value;
}

std::uint64_t parse_size(std::string_view flag, std::string_view text) {
  if (text.empty()) return 0;
  const auto bytes = parse_bytes(text);
  if (!bytes || *bytes == 0) {
    throw Error(ErrorKind::usage, std::string(flag) + " needs a size, not '" + printable(text) + "'",
                "write it like 2G, 500M or 1.5GiB");
  }
  return *bytes;
}

unsigned parse_threads(std::string_view text) {
  return static_cast<unsigned>(parse_count("--threads", text, 0, 4096));
}

void share_line(CLI::App& app, const std::string& text) {
  app.group(text);
}

void set_examples(CLI::App& app, const std::string& examples) {
  app.footer(examples);
}

}  // namespace qtz::cli
