#include "cli/console.h"

#include <spdlog/logger.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "cli/event_stream.h"
#include "cli/line_file.h"
#include "cli/log_sink.h"
#include "cli/progress_reporter.h"
#include "cli/stderr_sink.h"
#include "cli/table.h"
#include "qtz/core/error.h"
#include "qtz/core/text.h"

namespace qtz::cli {

class Console::Impl {
 public:
  Impl() : sink(std::make_shared<StderrSink>()), logger("qtz", sink) {
    logger.set_level(spdlog::level::trace);
    sink->set_level(spdlog::level::info);
  }

  /// Messages name files, tensors and keys that somebody else chose: whatever was not escaped where the
  /// message was made is escaped here, so that none of it steers the terminal or looks like a line of ours.
  void log(spdlog::level::level_enum level, std::string_view message, bool with_time) {
    std::string text;
    if (with_time) text = "[" + format_fixed(seconds(), 3) + "] ";
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
    if (log_file == nullptr || !log_file->failed() || log_lost.exchange(true)) return;
    put(spdlog::level::warn, "--log-file cannot be written any more; its last lines are missing");
  }

  void emit(std::string_view name, JsonObject fields) {
    if (events == nullptr || events_lost || events->emit(name, std::move(fields))) return;
    if (events_lost.exchange(true)) return;
    log(spdlog::level::warn,
        "--json-events: " + printable(events->target()) +
            " cannot be written any more; its last lines are missing",
        false);
  }

  double seconds() const { return std::chrono::duration<double>(Clock::now() - start).count(); }

  using Clock = std::chrono::steady_clock;
  std::shared_ptr<StderrSink> sink;
  spdlog::logger logger;
  std::unique_ptr<EventStream> events;
  std::atomic<bool> events_lost{false};
  std::shared_ptr<LogSink> log_file;
  std::atomic<bool> log_lost{false};
  JsonObject result;
  Clock::time_point start = Clock::now();
  std::string pending_data;
};

Console::Console()
    : impl_(std::make_unique<Impl>()), progress_(std::make_unique<ProgressReporter>(*this, *impl_->sink)) {}
Console::~Console() = default;

void Console::configure(const ConsoleSettings& settings, const std::string& words) {
  settings_ = settings;
  impl_->sink->set_level(settings.quiet            ? spdlog::level::warn
                         : settings.verbosity >= 1 ? spdlog::level::debug
                                                   : spdlog::level::info);
  if (!settings.json_events.empty()) {
    impl_->events = std::make_unique<EventStream>(settings.json_events);
  }
  if (!settings.log_file.empty()) {
    impl_->log_file = std::make_shared<LogSink>(settings.log_file, without_controls(words));
    impl_->logger.sinks().push_back(impl_->log_file);
  }
}

void Console::info(std::string_view message) {
  impl_->log(spdlog::level::info, message, settings_.verbosity >= 2);
}
void Console::detail(std::string_view message) {
  impl_->log(spdlog::level::debug, message, settings_.verbosity >= 2);
}
void Console::warn(std::string_view message) {
  impl_->log(spdlog::level::warn, message, false);
  impl_->emit("warning", JsonObject{{"message", message}});
}

void Console::error(std::string_view message, std::string_view hint, int exit_code) {
  progress_->end();  // else the bar is painted over the error, or left standing below it
  impl_->log_error(std::string(message) + " (exit " + std::to_string(exit_code) + ")", hint);
  impl_->result.emplace_back("error", message);
  if (!hint.empty()) impl_->result.emplace_back("hint", hint);
}

bool Console::events_on_stdout() const noexcept {
  return impl_->events != nullptr && impl_->events->on_stdout();
}

bool Console::wants_details() const noexcept {
  return settings_.verbosity >= 1 || !settings_.log_file.empty() || impl_->events != nullptr;
}

std::vector<FileIdentity> Console::own_files() const {
  std::vector<FileIdentity> files;
  if (impl_->events != nullptr) {
    if (const auto file = impl_->events->regular_file()) files.push_back(*file);
  }
  if (impl_->log_file != nullptr) {
    if (const auto file = impl_->log_file->regular_file()) files.push_back(*file);
  }
  return files;
}

void Console::event(std::string_view name, JsonObject fields) {
  impl_->emit(name, std::move(fields));
}

void Console::set_result(JsonObject fields) {
  impl_->result = std::move(fields);
}

void Console::finish(int exit_code) {
  JsonObject fields = std::move(impl_->result);
  fields.insert(fields.begin(), {"exit_code", exit_code});
  impl_->emit("result", std::move(fields));
  impl_->log(spdlog::level::trace, "exit " + std::to_string(exit_code), false);
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
  if (failure == ECANCELED) {
    throw Error(ErrorKind::interrupted, "interrupted while nobody read standard output");
  }
  throw Error(ErrorKind::output, std::string("standard output cannot be written: ") + std::strerror(failure),
              "redirect it to a place with free space");
}

Progress& Console::progress() noexcept {
  return *progress_;
}

}  // namespace qtz::cli
