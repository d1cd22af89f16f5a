// Everything a person or a script sees: messages and progress on stderr, data on stdout, and where they were
// asked for a log and a stream of events. The only place that prints, and the only one that knows the logging
// library.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "qtz/core/input_file.h"
#include "qtz/core/json.h"
#include "qtz/core/progress.h"

namespace qtz::cli {

enum class ProgressMode { automatic, always, never };

struct ConsoleSettings {
  bool quiet = false;  ///< only warnings and errors, no progress
  int verbosity = 0;   ///< 1: details and finished tensors; 2: with elapsed time
  ProgressMode progress = ProgressMode::automatic;
  std::string log_file;     ///< --log-file; empty: none
  std::string json_events;  ///< --json-events; empty: none
};

/// Thrown when the reader of stdout has gone away: not an error, the run simply ends.
struct StdoutClosed {};

/// Thread-safe. Never throws for stderr, log and events: words that cannot be written are dropped. A message
/// is one line, control characters in it are escaped.
class Console {
 public:
  Console();
  ~Console();
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  /// Opens the log and the event stream. `words` are the command line, for the log. Throws output and usage
  /// when one cannot be opened.
  void configure(const ConsoleSettings& settings, const std::string& words);
  const ConsoleSettings& settings() const noexcept { return settings_; }

  void info(std::string_view message);
  void detail(std::string_view message);  ///< shown with -v
  void warn(std::string_view message);
  /// Ends the progress; then "error: message (exit N)" and, if there is one, "hint: hint" on a line of its
  /// own. Not to be called by a thread that reports progress.
  void error(std::string_view message, std::string_view hint, int exit_code);
  /// Whether anybody sees details.
  bool wants_details() const noexcept;

  /// The regular files that log and events go to: nothing else may be written there.
  std::vector<FileIdentity> own_files() const;

  /// A line of --json-events, where that was asked for.
  void event(std::string_view name, JsonObject fields);
  /// Whether the events go where data goes.
  bool events_on_stdout() const noexcept;
  /// What the last event says beside the exit code.
  void set_result(JsonObject fields);
  /// Ends the log and the events. Called once, when the exit code is known.
  void finish(int exit_code);

  /// Data for stdout, buffered. Throws StdoutClosed when nobody reads any more, Error{output} on other
  /// failures.
  void data(std::string_view text);
  void flush_data();

  /// Shows what long runs report: a bar on a terminal, otherwise a line at most every 10 seconds.
  Progress& progress() noexcept;

 private:
  class Impl;
  ConsoleSettings settings_;
  std::unique_ptr<Impl> impl_;
  std::unique_ptr<Progress> progress_;
};

}  // namespace qtz::cli
