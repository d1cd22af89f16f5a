#include "cli/log_sink.h"

#include <spdlog/pattern_formatter.h>

#include <memory>
#include <string_view>

namespace qtz::cli {
namespace {

constexpr std::string_view kOpening = "# qtz log";

}  // namespace

LogSink::LogSink(const std::string& target, const std::string& command_line)
    : file_("--log-file", target, kOpening, LineFile::Existing::append) {
  formatter_ = std::make_unique<spdlog::pattern_formatter>("%Y-%m-%dT%H:%M:%S.%eZ %-7l %v",
                                                           spdlog::pattern_time_type::utc, "");
  failed_ = !file_.write(std::string(kOpening) + ": " + command_line);
}

void LogSink::sink_it_(const spdlog::details::log_msg& message) {
  spdlog::memory_buf_t line;
  formatter_->format(message, line);
  if (!file_.write(std::string_view(line.data(), line.size()))) failed_ = true;
}

}  // namespace qtz::cli
