// The words and the bar of a progress report, as pure functions of the numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace qtz::cli {

struct ProgressState {
  std::string stage;
  std::string what;  ///< "tensors", "layers"
  std::uint64_t done_bytes = 0;
  std::uint64_t total_bytes = 0;
  std::uint64_t done_items = 0;
  std::uint64_t total_items = 0;
  double seconds = 0;  ///< since the stage began
};

/// "quantizing [=====>    ]  43%  12/28 tensors  1.23 GB/4.61 GB  512 MB/s  ETA 7.1 s", at most `width`
/// columns: narrow terminals lose the bar first, then the words from the right.
std::string progress_bar(const ProgressState& state, std::size_t width);

/// "quantizing: 43%, 12 of 28 tensors, 1.23 GB of 4.61 GB, 512 MB/s, ETA 7.1 s"
std::string progress_line(const ProgressState& state);

}  // namespace qtz::cli
