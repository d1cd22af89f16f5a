// The commands of qtz. Each cmd_*.cpp has one options struct and one setup function that puts its flags on a
// CLI11 subcommand; the flag table made this way is what help texts and suggestions are taken from.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/console.h"
#include "cli/exit_codes.h"

namespace CLI {
class App;
}  // namespace CLI

namespace qtz::cli {

/// A subcommand and what runs it once its flags were parsed.
struct Command {
  CLI::App* app;
  std::function<ExitCode(Console&)> run;
  /// Whether, as its flags are, it writes data to stdout.
  std::function<bool()> prints_data = [] { return true; };
};

Command setup_quantize(CLI::App& root);
Command setup_plan(CLI::App& root);
Command setup_inspect(CLI::App& root);
Command setup_verify(CLI::App& root);
Command setup_compare(CLI::App& root);
Command setup_calibrate(CLI::App& root);
Command setup_eval(CLI::App& root);
Command setup_tokenize(CLI::App& root);
Command setup_types(CLI::App& root);
Command setup_archs(CLI::App& root);
Command setup_backends(CLI::App& root);
Command setup_bench(CLI::App& root);
Command setup_completions(CLI::App& root);  ///< `root` must outlive the command, as for setup_man
Command setup_man(CLI::App& root);

}  // namespace qtz::cli
