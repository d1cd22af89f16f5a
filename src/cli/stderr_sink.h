// Lines on stderr with a status line below them: the status is taken away before a message and put back after
// it.
#pragma once

#include <spdlog/sinks/base_sink.h>

#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>

namespace qtz::cli {

/// Whether stderr is a terminal that can move its cursor.
bool stderr_is_smart_terminal();

/// Columns of the terminal behind stderr, 80 if unknown.
std::size_t terminal_width();

class StderrSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  StderrSink();
  /// The status line; an empty text takes it away.
  void show_status(std::string_view text);

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}

 private:
  std::string decorate(const spdlog::details::log_msg& message) const;
  std::string paint(std::string_view code, std::string_view word) const;
  void put_status(std::string_view text);

  bool colour_;
  std::string status_;
};

}  // namespace qtz::cli
