#include "cli/stderr_sink.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

#include "cli/line_file.h"

namespace qtz::cli {
namespace {

bool environment_is(const char* name, std::string_view value) {
  const char* found = std::getenv(name);
  return found != nullptr && found == value;
}

bool colour_wanted() {
  const char* no_colour = std::getenv("NO_COLOR");
  return stderr_is_smart_terminal() && (no_colour == nullptr || *no_colour == '\0');
}

}  // namespace

bool stderr_is_smart_terminal() {
  return ::isatty(STDERR_FILENO) == 1 && !environment_is("TERM", "dumb");
}

std::size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20) return size.ws_col;
  return 80;
}

StderrSink::StderrSink() : colour_(colour_wanted()) {}

void StderrSink::show_status(std::string_view text) {
  const std::lock_guard lock(mutex_);
  put_status(text);
}

void StderrSink::sink_it_(const spdlog::details::log_msg& message) {
  const std::string status = status_;
  put_status({});
  write_all(STDERR_FILENO, decorate(message));
  put_status(status);
}

std::string StderrSink::decorate(const spdlog::details::log_msg& message) const {
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

std::string StderrSink::paint(std::string_view code, std::string_view word) const {
  if (!colour_) return std::string(word);
  return "\x1b[1;" + std::string(code) + "m" + std::string(word) + "\x1b[0m";
}

void StderrSink::put_status(std::string_view text) {
  if (text.empty() && status_.empty()) return;
  // Blanks instead of an erase sequence, so that any terminal will do.
  std::string line = "\r" + std::string(text);
  if (text.size() < status_.size()) line.append(status_.size() - text.size(), ' ');
  if (text.empty()) line += "\r";
  write_all(STDERR_FILENO, line);
  status_ = text;
}

}  // namespace qtz::cli
