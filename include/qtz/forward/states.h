// The states of all tokens between two layers: in memory, or in a scratch file where memory has no room for
// them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "qtz/core/scratch_file.h"

namespace qtz {

enum class StatePlace { memory, scratch_file };

/// [rows, width] in f32; zeros at first. Rows are copied in and out, by any thread as long as they are not
/// the same.
class States {
 public:
  /// Throws resource when the scratch file cannot be had.
  States(std::uint64_t rows, std::uint64_t width, StatePlace place);

  std::uint64_t rows() const noexcept { return rows_; }
  std::uint64_t width() const noexcept { return width_; }

  /// `count` rows from `first`. Throw resource.
  void read(std::uint64_t first, std::uint64_t count, float* out) const;
  void write(std::uint64_t first, std::uint64_t count, const float* values);

 private:
  std::uint64_t rows_;
  std::uint64_t width_;
  std::vector<float> values_;
  std::unique_ptr<ScratchFile> file_;
};

}  // namespace qtz
