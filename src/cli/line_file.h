// A file that grows line by line while qtz runs: a log, a stream of events. It is opened before the work
// begins, and never over a file that is something else.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "qtz/core/input_file.h"

namespace qtz::cli {

class LineFile {
 public:
  enum class Existing { append, replace };  ///< what happens to an earlier file of the same kind

  /// `target` is a path, "fd:N" for a descriptor that is open already, or "-" for stdout. A regular file that
  /// exists must be empty or begin with `opening`, else it is somebody's data; pipes and devices are taken as
  /// they are. `flag` is for messages. Throws output, and usage for a descriptor that is not open.
  LineFile(std::string_view flag, std::string target, std::string_view opening, Existing existing);
  ~LineFile();
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;

  /// True if the lines go to stdout.
  bool on_stdout() const noexcept;

  /// The regular file that the lines go to, if it is one.
  std::optional<FileIdentity> regular_file() const noexcept;

  /// Writes the line and its end in one piece. False when it could not be written; after the first failure
  /// nothing is written any more.
  bool write(std::string_view line) noexcept;

  const std::string& target() const noexcept { return target_; }

 private:
  std::string target_;
  int fd_ = -1;
  bool owned_ = true;
  bool failed_ = false;
};

/// Writes everything, however long a reader takes. Returns 0 when all bytes were written, else the errno of
/// the failure: ECANCELED if a signal to stop came while nobody read.
int write_all(int fd, std::string_view text) noexcept;

}  // namespace qtz::cli
