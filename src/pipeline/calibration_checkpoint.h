// What a calibration knows after some of its layers, in a file beside its output: a run that was killed goes
// on from there when it is started again.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "qtz/core/progress.h"
#include "qtz/forward/activation_statistics.h"
#include "qtz/forward/states.h"

namespace qtz {

class CalibrationCheckpoint {
 public:
  /// `identity`: 64 characters that are the same for runs with the same sums. `interval`: how often at the
  /// most the file is written.
  CalibrationCheckpoint(std::filesystem::path path, std::string identity, std::chrono::seconds interval);

  /// Whether there is a file. Throws output for one that is something else.
  bool exists() const;

  /// Layers that are done by the file; sets what is known after them. A file that is not whole or of another
  /// run gives 0, a warning, and states of any value. Throws input_missing when it cannot be read.
  std::uint64_t restore(ActivationStatistics& statistics, States& states, Progress& progress);

  /// Writes the file if it is time to. A disk that has no room for it is a warning, the first time.
  void keep(std::uint64_t layers, const ActivationStatistics& statistics, const States& states,
            Progress& progress);

  /// The layers of the last file that was written; nullopt if there is none.
  std::optional<std::uint64_t> kept() const noexcept { return kept_; }

 private:
  std::filesystem::path path_;
  std::string identity_;
  std::chrono::seconds interval_;
  std::chrono::steady_clock::time_point last_;
  std::optional<std::uint64_t> kept_;
  bool failed_ = false;
};

}  // namespace qtz
