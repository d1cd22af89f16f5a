// The exit codes of qtz: documented, stable, one per kind of error. Scripts may rely on them.
#pragma once

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

}  // namespace qtz::cli
