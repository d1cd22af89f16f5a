#include "cli/signals.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <new>
#include <string_view>

#include "cli/exit_codes.h"
#include "qtz/core/output_file.h"

namespace qtz::cli {
namespace {

constexpr int kStopSignals[] = {SIGINT, SIGTERM, SIGHUP};

CancelToken g_cancel;
std::atomic<int> g_signal{0};
static_assert(std::atomic<int>::is_always_lock_free, "used in a signal handler");

void on_stop_signal(int number) {
  int none = 0;
  if (g_signal.compare_exchange_strong(none, number)) {
    g_cancel.cancel();
    return;
  }
  remove_temporary_files();
  ::_exit(static_cast<int>(ExitCode::signal_base) + number);
}

[[noreturn]] void end_at_once(std::string_view text, ExitCode code) {
  remove_temporary_files();
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
  ::_exit(static_cast<int>(code));
}

void on_abort(int) {
  end_at_once("error: internal check failed; this is a bug in qtz, please report it (exit 1)\n",
              ExitCode::bug);
}

/// Memory can run out where nothing may be thrown any more.
[[noreturn]] void on_terminate() {
  try {
    if (const std::exception_ptr thrown = std::current_exception()) std::rethrow_exception(thrown);
  } catch (const std::bad_alloc&) {
    end_at_once("error: out of memory (exit 8)\n", ExitCode::resource);
  } catch (...) {
  }
  std::abort();
}

void install(int number, void (*handler)(int)) noexcept {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(number, &action, nullptr);
}

bool is_ignored(int number) noexcept {
  struct sigaction current {};
  return ::sigaction(number, nullptr, &current) == 0 && current.sa_handler == SIG_IGN;
}

}  // namespace

void prepare_process() noexcept {
  for (int fd = 0; fd <= 2; ++fd) {
    if (::fcntl(fd, F_GETFD) != -1) continue;
    // A closed descriptor is the lowest free one, so open() returns exactly it. A closed output must fail on
    // use rather than swallow data, a closed stderr may swallow words.
    const int flags = fd == STDERR_FILENO ? O_WRONLY : O_RDONLY;
    [[maybe_unused]] const int opened = ::open("/dev/null", flags);
  }
  install(SIGPIPE, SIG_IGN);
  install(SIGXFSZ, SIG_IGN);
  install(SIGABRT, on_abort);
  std::set_terminate(on_terminate);
  for (const int number : kStopSignals) {
    if (!is_ignored(number)) install(number, on_stop_signal);  // nohup and background shells keep their wish
  }
}

const CancelToken& cancel_token() noexcept {
  return g_cancel;
}

void leave_signals_to_main_thread() noexcept {
  sigset_t stop;
  ::sigemptyset(&stop);
  for (const int number : kStopSignals) ::sigaddset(&stop, number);
  ::pthread_sigmask(SIG_BLOCK, &stop, nullptr);
}

int received_signal() noexcept {
  return g_signal.load();
}

}  // namespace qtz::cli
