// The man page qtz(1), made from the flag table.
#pragma once

#include <span>
#include <string>

#include "cli/flag_table.h"

namespace qtz::cli {

/// roff with the man macros.
std::string man_page(std::span<const CommandRow> table);

}  // namespace qtz::cli
