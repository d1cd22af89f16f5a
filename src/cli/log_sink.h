// --log-file: every message with its time, whatever is shown on the screen.
#pragma once

#include <spdlog/sinks/base_sink.h>

#include <atomic>
#include <mutex>
#include <string>

#include "cli/line_file.h"

namespace qtz::cli {

class LogSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  /// Appends to an earlier log. Throws output and usage as LineFile does. `command_line` is the first
  /// message.
  LogSink(const std::string& target, const std::string& command_line);

  std::optional<FileIdentity> regular_file() const noexcept { return file_.regular_file(); }

  /// A line could not be written, and no later one is.
  bool failed() const noexcept { return failed_; }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}

 private:
  LineFile file_;
  std::atomic<bool> failed_{false};
};

}  // namespace qtz::cli
