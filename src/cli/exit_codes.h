// The exit codes of qtz: documented, stable, one per kind of error. Scripts may rely on them.
#pragma once

#include <string_view>

#include "qtz/core/error.h"

namespace qtz::cli {

enum class ExitCode : int {
  ok = 0,
  bug = 1,
  usage = 2,
  input_missing = 3,
  input_invalid = 4,
  output = 5,
  numeric = 6,
  verification = 7,
  resource = 8,
  signal_base = 128,  ///< plus the signal's number: 130 after SIGINT, 143 after SIGTERM
};

/// The code for an error that reached main(). Interrupted runs exit with 128 + signal instead.
constexpr ExitCode exit_code(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::usage:
      return ExitCode::usage;
    case ErrorKind::input_missing:
      return ExitCode::input_missing;
    case ErrorKind::input_invalid:
      return ExitCode::input_invalid;
    case ErrorKind::output:
      return ExitCode::output;
    case ErrorKind::numeric:
      return ExitCode::numeric;
    case ErrorKind::verification:
      return ExitCode::verification;
    case ErrorKind::resource:
      return ExitCode::resource;
    case ErrorKind::interrupted:
      return ExitCode::signal_base;
  }
  return ExitCode::bug;
}

/// For the manual; the README has the same table.
struct ExitCodeRow {
  std::string_view codes;
  std::string_view meaning;
};

inline constexpr ExitCodeRow kExitCodes[] = {
    {"0", "done"},
    {"1", "a bug in qtz"},
    {"2", "usage: the command line makes no sense"},
    {"3", "an input is missing or cannot be read"},
    {"4", "an input is invalid, not supported, or another kind of file than is wanted"},
    {"5", "output: exists already, no space, no permission"},
    {"6", "numeric: NaN or infinite weights"},
    {"7", "verification failed: the artifact is damaged, or an error is outside the band"},
    {"8", "resource limit: memory, open files"},
    {"130, 143, 129", "interrupted by SIGINT, SIGTERM, SIGHUP"},
};

}  // namespace qtz::cli
