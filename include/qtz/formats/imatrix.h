// Importance matrices of llama.cpp: per tensor and input column the mean squared activation, collected by
// llama-imatrix. Reads and writes the GGUF form and the legacy .dat, and gives the values that llama-quantize
// works with.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "qtz/core/input_file.h"
#include "qtz/core/output_file.h"

namespace qtz {

enum class ImatrixForm { gguf, dat };

/// What is stored of one tensor.
struct StoredSums {
  /// Sums of squares, [matrices, columns]. A tensor of several matrices has a count for each if they are
  /// experts, and one for all if every row went into each of them.
  std::vector<float> sums;
  std::vector<std::uint64_t> counts;  ///< rows that were summed

  std::uint64_t cols() const noexcept { return sums.size() / counts.size(); }  ///< of one count
};

/// An importance matrix as a file holds it.
struct StoredImatrix {
  /// By tensor name, sorted.
  std::map<std::string, StoredSums, std::less<>> entries;
  std::vector<std::string> datasets;  ///< file names without folders
  std::uint64_t chunks = 0;           ///< windows of text
  std::uint64_t chunk_size = 0;       ///< tokens of a window; a .dat does not say
  /// In a .dat all matrices of a tensor have one count, which is of windows, and sums are means times that
  /// count. A count of 0 says that the values are means.
  ImatrixForm form = ImatrixForm::gguf;
  std::vector<std::string> warnings;  ///< for the caller to show
};

/// Reads either form. Throws input_missing, input_invalid (also for NaN, infinite or negative values, naming
/// the entry).
StoredImatrix read_imatrix(const InputFile& file);

/// Writes what has token counts (the form of `matrix` is gguf) in either form. A .dat has the last of the
/// data sets alone, and leaves out entries that have no data. Throws input_invalid for what a .dat cannot
/// hold, output.
void write_imatrix(const StoredImatrix& matrix, ImatrixForm form, const std::filesystem::path& path,
                   const OutputOptions& options);

class ImportanceMatrix {
 public:
  /// By tensor name, sorted.
  using Entries = std::map<std::string, std::vector<float>, std::less<>>;

  /// Values as llama-quantize computes them from the file: for GGUF sums / counts per expert (an expert never
  /// reached gets 1 for every column), for .dat value / calls. Throws as read_imatrix does, and input_invalid
  /// for values that no activations have.
  explicit ImportanceMatrix(const std::filesystem::path& path);

  /// The same from memory; `name` stands in messages where a file's path would.
  ImportanceMatrix(StoredImatrix stored, std::string name);

  /// Values for the tensor of that GGUF name: cols values, or experts x cols; empty if there is no entry.
  std::span<const float> find(std::string_view tensor) const noexcept;

  std::vector<std::string> names() const;  ///< sorted
  std::size_t size() const noexcept { return entries_.size(); }
  const std::vector<std::string>& datasets() const noexcept {
    return datasets_;
  }  ///< file names without folders
  std::uint64_t chunks() const noexcept { return chunks_; }
  /// What messages call it: the path, printable.
  const std::string& name() const noexcept { return name_; }
  /// Empty if it comes from no file.
  const std::filesystem::path& path() const noexcept { return path_; }
  /// Things that are odd but not wrong (experts without data), for the caller to show.
  const std::vector<std::string>& warnings() const noexcept { return warnings_; }

 private:
  void settle(StoredImatrix stored);

  std::filesystem::path path_;
  std::string name_;
  Entries entries_;
  std::vector<std::string> datasets_;
  std::uint64_t chunks_ = 0;
  std::vector<std::string> warnings_;
};

}  // namespace qtz
