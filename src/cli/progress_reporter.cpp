#include "cli/progress_reporter.h"

#include <system_error>

#include "cli/signals.h"
#include "qtz/core/error.h"

namespace qtz::cli {
namespace {

constexpr auto kRepaint = std::chrono::milliseconds(170);  // below 6 a second
constexpr double kLineEvery = 10.0;
constexpr double kEventEvery = 1.0;

/// The keys say tensors whatever a stage counts, as they did before there were others.
JsonObject event_of(const ProgressState& state) {
  return JsonObject{{"stage", state.stage},
                    {"done_bytes", state.done_bytes},
                    {"total_bytes", state.total_bytes},
                    {"done_tensors", state.done_items},
                    {"total_tensors", state.total_items}};
}

}  // namespace

void ProgressReporter::begin(std::string_view stage, std::uint64_t total_bytes, std::uint64_t items,
                             std::string_view what) {
  stop();
  stage_ = stage;
  what_ = what;
  total_bytes_ = total_bytes;
  total_items_ = items;
  done_bytes_ = 0;
  done_items_ = 0;
  start_ = Clock::now();
  stopping_ = false;
  console_.event("progress", event_of(state()));
  try {
    painter_ = std::thread([this] {
      leave_signals_to_main_thread();
      paint_until_stopped();
    });
  } catch (const std::exception&) {
    // No thread to be had, or no memory for one: the work goes on unseen, messages come out at the end.
  }
}

void ProgressReporter::item_done(std::string_view name) {
  done_items_.fetch_add(1, std::memory_order_relaxed);
  if (!console_.wants_details()) return;
  const std::lock_guard lock(mutex_);
  messages_.push_back({false, std::string(name)});
}

void ProgressReporter::warn(const std::string& message) {
  const std::lock_guard lock(mutex_);
  messages_.push_back({true, message});
  if (!painter_.joinable()) print_messages();
}

void ProgressReporter::stop() {
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

void ProgressReporter::paint_until_stopped() {
  const ConsoleSettings& settings = console_.settings();
  const bool bar =
      !settings.quiet && (settings.progress == ProgressMode::always ||
                          (settings.progress == ProgressMode::automatic && stderr_is_smart_terminal()));
  const bool lines = !settings.quiet && !bar && settings.progress != ProgressMode::never;
  double next_line = kLineEvery;
  double next_event = kEventEvery;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    wake_.wait_for(lock, kRepaint, [this] { return stopping_; });
    std::deque<Message> messages;
    messages.swap(messages_);
    lock.unlock();
    print(messages);
    const ProgressState now = state();
    if (bar) sink_.show_status(progress_bar(now, terminal_width() - 1));
    if (lines && now.seconds >= next_line) {
      console_.info(progress_line(now));
      next_line = now.seconds + kLineEvery;
    }
    if (now.seconds >= next_event) {
      console_.event("progress", event_of(now));
      next_event = now.seconds + kEventEvery;
    }
    lock.lock();
  }
  sink_.show_status({});
}

ProgressState ProgressReporter::state() const {
  return {.stage = stage_,
          .what = what_,
          .done_bytes = done_bytes_.load(std::memory_order_relaxed),
          .total_bytes = total_bytes_,
          .done_items = done_items_.load(std::memory_order_relaxed),
          .total_items = total_items_,
          .seconds = std::chrono::duration<double>(Clock::now() - start_).count()};
}

void ProgressReporter::print(const std::deque<Message>& messages) {
  for (const auto& message : messages) {
    if (message.warning) {
      console_.warn(message.text);
    } else {
      console_.detail("done " + printable(message.text));
      console_.event("tensor", JsonObject{{"stage", stage_}, {"name", message.text}});
    }
  }
}

void ProgressReporter::print_messages() {
  print(messages_);
  messages_.clear();
}

}  // namespace qtz::cli
