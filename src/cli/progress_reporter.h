// Shows what long runs report. Workers only count; one thread of its own writes, so a slow or blocked stderr
// never holds up the work.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

#include "cli/console.h"
#include "cli/progress_text.h"
#include "cli/stderr_sink.h"

namespace qtz::cli {

class ProgressReporter final : public Progress {
 public:
  ProgressReporter(Console& console, StderrSink& sink) : console_(console), sink_(sink) {}
  ~ProgressReporter() override { stop(); }

  void begin(std::string_view stage, std::uint64_t total_bytes, std::uint64_t items,
             std::string_view what) override;
  void advance(std::uint64_t bytes) override { done_bytes_.fetch_add(bytes, std::memory_order_relaxed); }
  void item_done(std::string_view name) override;
  void end() override { stop(); }
  void warn(const std::string& message) override;

 private:
  using Clock = std::chrono::steady_clock;

  struct Message {
    bool warning;      ///< else a tensor is done
    std::string text;  ///< the warning, or the tensor's name
  };

  void stop();
  void paint_until_stopped();
  ProgressState state() const;
  void print(const std::deque<Message>& messages);
  void print_messages();

  Console& console_;
  StderrSink& sink_;
  std::string stage_;
  std::string what_;
  std::uint64_t total_bytes_ = 0;
  std::uint64_t total_items_ = 0;
  std::atomic<std::uint64_t> done_bytes_{0};
  std::atomic<std::uint64_t> done_items_{0};
  Clock::time_point start_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Message> messages_;
  bool stopping_ = false;
  std::thread painter_;
};

}  // namespace qtz::cli
