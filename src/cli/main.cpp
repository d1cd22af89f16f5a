// Entry point: prepares the process, runs the command and turns whatever went wrong into one line, one hint
// and one documented exit code.
#include <exception>
#include <new>
#include <string>

#include "cli/command_line.h"
#include "cli/console.h"
#include "cli/exit_codes.h"
#include "cli/signals.h"
#include "qtz/core/error.h"
#include "qtz/core/output_file.h"

namespace {

using qtz::cli::ExitCode;

int to_int(ExitCode code) {
  return static_cast<int>(code);
}

int report(qtz::cli::Console& console, const qtz::Error& error) {
  if (error.kind() == qtz::ErrorKind::interrupted && qtz::cli::received_signal() != 0) {
    const int code = to_int(ExitCode::signal_base) + qtz::cli::received_signal();
    console.error(error.message(), {}, code);
    return code;
  }
  const int code = to_int(qtz::cli::exit_code(error.kind()));
  console.error(error.message(), error.hint(), code);
  return code;
}

/// The exit code of the whole run, everything said.
int run(qtz::cli::Console& console, int argc, char** argv) {
  try {
    const ExitCode code = qtz::cli::run_command_line(argc, argv, console);
    console.flush_data();
    return to_int(code);
  } catch (const qtz::cli::StdoutClosed&) {
    return to_int(ExitCode::ok);
  } catch (const qtz::Error& error) {
    return report(console, error);
  } catch (const std::bad_alloc&) {
    const int code = to_int(ExitCode::resource);
    console.error("out of memory", "use fewer --threads, or a machine with more memory", code);
    return code;
  } catch (const std::exception& error) {
    const int code = to_int(ExitCode::bug);
    console.error(std::string("this is a bug in qtz, please report it: ") + error.what(), {}, code);
    return code;
  }
}

}  // namespace

int main(int argc, char** argv) {
  qtz::cli::prepare_process();
  qtz::cli::Console console;
  const int code = run(console, argc, argv);
  console.finish(code);
  return code;
}
