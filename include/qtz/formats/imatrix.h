// Importance matrices of llama.cpp: per tensor and input column the mean squared activation, collected by
// llama-imatrix. Reads the GGUF form and the legacy .dat, and gives the values that llama-quantize works
// with.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "qtz/core/input_file.h"

namespace qtz {

class ImportanceMatrix {
 public:
  /// By tensor name, sorted.
  using Entries = std::map<std::string, std::vector<float>, std::less<>>;

  /// Values as llama-quantize computes them from the file: for GGUF sums / counts per expert (an expert never
  /// reached gets 1 for every column), for .dat value / calls. Throws input_missing, input_invalid (also for
  /// NaN, infinite or negative values, naming the entry).
  explicit ImportanceMatrix(const std::filesystem::path& path);

  /// Values for the tensor of that GGUF name: cols values, or experts x cols; empty if there is no entry.
  std::span<const float> find(std::string_view tensor) const noexcept;

  std::vector<std::string> names() const;  ///< sorted
  std::size_t size() const noexcept { return entries_.size(); }
  const std::vector<std::string>& datasets() const noexcept {
    return datasets_;
  }  ///< file names without folders
  std::uint32_t chunks() const noexcept { return chunks_; }
  const InputFile& file() const noexcept { return file_; }
  /// Things that are odd but not wrong (experts without data), for the caller to show.
  const std::vector<std::string>& warnings() const noexcept { return warnings_; }

 private:
  InputFile file_;
  Entries entries_;
  std::vector<std::string> datasets_;
  std::uint32_t chunks_ = 0;
  std::vector<std::string> warnings_;
};

}  // namespace qtz
