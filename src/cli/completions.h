// Completion scripts for the shells, made from the flag table.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/flag_table.h"

namespace qtz::cli {

/// "bash", "fish", "zsh".
std::vector<std::string> list_shells();

/// The script for one of them; empty for a shell that is not known.
std::string completion_script(std::string_view shell, std::span<const CommandRow> table);

}  // namespace qtz::cli
