// Signals of a run: the first SIGINT, SIGTERM or SIGHUP asks the workers to stop, a second one removes the
// temporary files and leaves at once, but not in the midst of the outputs' getting their names. An abort (a
// failed QTZ_CHECK) removes them too and exits with the code of a bug.
#pragma once

#include "qtz/core/progress.h"

namespace qtz::cli {

/// Installs the handlers and makes descriptors 0, 1 and 2 exist, so that no data file ever becomes one of
/// them. SIGPIPE and SIGXFSZ are ignored: the write that caused them fails with an errno instead. Call once,
/// first.
void prepare_process() noexcept;

/// Set by the first signal.
const CancelToken& cancel_token() noexcept;

/// The signal that asked for the stop, 0 if none did.
int received_signal() noexcept;

/// The calling thread takes none of these signals any more. For threads that live while outputs get their
/// names: the main thread holds the signals back then, and they must not come in elsewhere.
void leave_signals_to_main_thread() noexcept;

}  // namespace qtz::cli
