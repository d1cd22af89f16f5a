// What `qtz inspect` shows of an importance matrix.
#pragma once

#include <string>

#include "cli/console.h"

namespace qtz::cli {

/// Reads the file and prints a table, or JSON. Throws as ImportanceMatrix does.
void print_imatrix(const std::string& file, bool json, Console& console);

}  // namespace qtz::cli
