// --json-events: what a run does, as JSON Lines for programs. Every line is an object with "schema", "event"
// and "elapsed" seconds since the start; the last one, "result", carries the exit code.
#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <string_view>

#include "cli/line_file.h"
#include "qtz/core/json.h"

namespace qtz::cli {

/// Thread-safe.
class EventStream {
 public:
  /// `target` as LineFile has it; an earlier event file is replaced. Throws output and usage.
  explicit EventStream(const std::string& target);

  bool on_stdout() const noexcept { return file_.on_stdout(); }
  const std::string& target() const noexcept { return file_.target(); }

  std::optional<FileIdentity> regular_file() const noexcept { return file_.regular_file(); }

  /// Writes one line at once. False when it could not be written.
  bool emit(std::string_view event, JsonObject fields);

 private:
  using Clock = std::chrono::steady_clock;
  std::mutex mutex_;
  LineFile file_;
  Clock::time_point start_ = Clock::now();
};

}  // namespace qtz::cli
