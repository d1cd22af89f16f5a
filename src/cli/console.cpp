#include "cli/console.h"

#include <poll.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>

#include "cli/progress_text.h"
#include "cli/table.h"
#include "qtz/core/error.h"

namespace qtz::cli {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

bool environment_is(const char* name, std::string_view value) {
  const char* found = std::getenv(name);
  return found != nullptr && found == value;
}

bool stderr_is_smart_terminal() {
  return ::isatty(STDERR_FILENO) == 1 && !environment_is("TERM", "dumb");
}

bool colour_wanted() {
  const char* no_colour = std::getenv("NO_COLOR");
  return stderr_is_smart_terminal() && (no_colour == nullptr || *no_colour == '\0');
}

std::size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20) return size.ws_col;
  return 80;
}

/// errno of the failure, 0 when all bytes were written. A descriptor may have been made non-blocking by
/// whoever shares it; then this waits as a blocking write would.
int write_all(int fd, std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      pollfd ready{.fd = fd, .events = POLLOUT, .revents = 0};
      if (::poll(&ready, 1, -1) < 0 && errno != EINTR) return errno;
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

/// Lines on stderr with a status line below them: the status is taken away before a message and put back
/// after it.
class StderrSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  void show_status(std::string_view text) {
    const std::lock_guard lock(mutex_);
    put_status(text);
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const std::string status = status_;
    put_status({});
    write_all(STDERR_FILENO, decorate(message));
    put_status(status);
  }
  void flush_() override {}

 private:
  std::string decorate(const spdlog::details::log_msg& message) const {
    const std::string text(message.payload.data(), message.payload.size());
    switch (message.level) {
      case spdlog::level::warn:
        return paint("33", "warning:") + " " + text + "\n";
      case spdlog::level::err:
        return paint("31", "error:") + " " + text + "\n";
      default:
        return text + "\n";
    }
  }

  std::string paint(std::string_view code, std::string_view word) const {
    if (!colour_) return std::string(word);
    return "\x1b[1;" + std::string(code) + "m" + std::string(word) + "\x1b[0m";
  }

  /// Blanks instead of an erase sequence, so that any terminal will do.
  void put_status(std::string_view text) {
    if (text.empty() && status_.empty()) return;
    std::string line = "\r" + std::string(text);
    if (text.size() < status_.size()) line.append(status_.size() - text.size(), ' ');
    if (text.empty()) line += "\r";
    write_all(STDERR_FILENO, line);
    status_ = text;
  }

  bool colour_ = colour_wanted();
  std::string status_;
};

}  // namespace

class Console::Impl {
 public:
  Impl() : sink(std::make_shared<StderrSink>()), logger("qtz", sink) {
    logger.set_level(spdlog::level::info);
  }

  /// Messages name files, tensors and keys that somebody else chose: whatever was not escaped where the
  /// message was made is escaped here, so that none of it steers the terminal or looks like a line of ours.
  void log(spdlog::level::level_enum level, std::string_view message, bool with_time) {
    std::string text;
    if (with_time) text = "[" + format_fixed(seconds_since(start), 3) + "] ";
    put(level, text + without_controls(message));
  }

  /// One message for both, so that nothing comes between them; the hint has the error's level and is not
  /// hidden by --quiet.
  void log_error(std::string_view message, std::string_view hint) {
    std::string text = without_controls(message);
    if (!hint.empty()) text += "\nhint: " + without_controls(hint);
    put(spdlog::level::err, text);
  }

  void put(spdlog::level::level_enum level, const std::string& text) {
    logger.log(level, spdlog::string_view_t(text.data(), text.size()));
  }

  std::shared_ptr<StderrSink> sink;
  spdlog::logger logger;
  Clock::time_point start = Clock::now();
  std::string pending_data;
};

/// Workers only count; one thread of its own writes, so a slow or blocked stderr never holds up the work.
class Console::ProgressReporter final : public Progress {
 public:
  explicit ProgressReporter(Console& console) : console_(console) {}
  ~ProgressReporter() override { stop(); }

  void begin(std::string_view stage, std::uint64_t total_bytes, std::uint64_t tensors) override {
    stop();
    stage_ = stage;
    total_bytes_ = total_bytes;
    total_tensors_ = tensors;
    done_bytes_ = 0;
    done_tensors_ = 0;
    start_ = Clock::now();
    stopping_ = false;
    try {
      painter_ = std::thread([this] { paint_until_stopped(); });
    } catch (const std::system_error&) {
      // No thread to be had: the work goes on unseen, messages come out at the end.
    }
  }

  void advance(std::uint64_t bytes) override { done_bytes_.fetch_add(bytes, std::memory_order_relaxed); }

  void tensor_done(std::string_view name) override {
    done_tensors_.fetch_add(1, std::memory_order_relaxed);
    if (console_.settings().verbosity < 1) return;
    const std::lock_guard lock(mutex_);
    messages_.push_back({false, "done " + printable(name)});
  }

  void end() override { stop(); }

  void warn(const std::string& message) override {
    const std::lock_guard lock(mutex_);
    messages_.push_back({true, message});
    if (!painter_.joinable()) print_messages();
  }

 private:
  struct Message {
    bool warning;
    std::string text;
  };

  static constexpr auto kRepaint = std::chrono::milliseconds(170);  // below 6 a second
  static constexpr double kLineEvery = 10.0;

  void stop() {
    if (painter_.joinable()) {
      {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
      }
      wake_.notify_all();
      painter_.join();
    }
    const std::lock_guard lock(mutex_);
    print_messages();
  }

  void paint_until_stopped() {
    const ConsoleSettings& settings = console_.settings();
    const bool bar =
        !settings.quiet && (settings.progress == ProgressMode::always ||
                            (settings.progress == ProgressMode::automatic && stderr_is_smart_terminal()));
    const bool lines = !settings.quiet && !bar && settings.progress != ProgressMode::never;
    double next_line = kLineEvery;
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      wake_.wait_for(lock, kRepaint, [this] { return stopping_; });
      std::deque<Message> messages;
      messages.swap(messages_);
      lock.unlock();
      print(messages);
      const ProgressState now = state();
      if (bar) console_.impl_->sink->show_status(progress_bar(now, terminal_width() - 1));
      if (lines && now.seconds >= next_line) {
        console_.info(progress_line(now));
        next_line = now.seconds + kLineEvery;
      }
      lock.lock();
    }
    console_.impl_->sink->show_status({});
  }

  ProgressState state() const {
    return {.stage = stage_,
            .done_bytes = done_bytes_.load(std::memory_order_relaxed),
            .total_bytes = total_bytes_,
            .done_tensors = done_tensors_.load(std::memory_order_relaxed),
            .total_tensors = total_tensors_,
            .seconds = seconds_since(start_)};
  }

  void print(const std::deque<Message>& messages) {
    for (const auto& message : messages) {
      if (message.warning) {
        console_.warn(message.text);
      } else {
        console_.detail(message.text);
      }
    }
  }

  void print_messages() {
    print(messages_);
    messages_.clear();
  }

  Console& console_;
  std::string stage_;
  std::uint64_t total_bytes_ = 0;
  std::uint64_t total_tensors_ = 0;
  std::atomic<std::uint64_t> done_bytes_{0};
  std::atomic<std::uint64_t> done_tensors_{0};
  Clock::time_point start_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Message> messages_;
  bool stopping_ = false;
  std::thread painter_;
};

Console::Console() : impl_(std::make_unique<Impl>()), progress_(std::make_unique<ProgressReporter>(*this)) {}
Console::~Console() = default;

void Console::configure(const ConsoleSettings& settings) {
  settings_ = settings;
  impl_->logger.set_level(settings.quiet            ? spdlog::level::warn
                          : settings.verbosity >= 1 ? spdlog::level::debug
                                                    : spdlog::level::info);
}

void Console::info(std::string_view message) {
  impl_->log(spdlog::level::info, message, settings_.verbosity >= 2);
}
void Console::detail(std::string_view message) {
  impl_->log(spdlog::level::debug, message, settings_.verbosity >= 2);
}
void Console::warn(std::string_view message) {
  impl_->log(spdlog::level::warn, message, false);
}

void Console::error(std::string_view message, std::string_view hint) {
  progress_->end();  // else the bar is painted over the error, or left standing below it
  impl_->log_error(message, hint);
}

void Console::data(std::string_view text) {
  constexpr std::size_t kFlushAt = 1u << 16;
  impl_->pending_data += text;
  if (impl_->pending_data.size() >= kFlushAt) flush_data();
}

void Console::flush_data() {
  const std::string text = std::move(impl_->pending_data);
  impl_->pending_data.clear();
  const int failure = write_all(STDOUT_FILENO, text);
  if (failure == 0) return;
  if (failure == EPIPE) throw StdoutClosed{};
  throw Error(ErrorKind::output, std::string("standard output cannot be written: ") + std::strerror(failure),
              "redirect it to a place with free space");
}

Progress& Console::progress() noexcept {
  return *progress_;
}

}  // namespace qtz::cli
