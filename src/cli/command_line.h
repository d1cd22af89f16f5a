// From argv to the command that runs: one table of commands and flags, help, version, and every misuse as an
// Error with the nearest name that exists.
#pragma once

#include <functional>
#include <optional>

#include "cli/commands.h"
#include "cli/console.h"

namespace qtz::cli {

/// Parses, configures the console and runs the command. Throws what the command throws, and usage for misuse.
ExitCode run_command_line(int argc, const char* const* argv, Console& console);

}  // namespace qtz::cli
