// What goes into the matrices of a model while it runs: per matrix and input column the sum of squares, as
// llama-imatrix collects them. Sums are f64 and in the order of the tokens, so they do not depend on threads.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "qtz/core/progress.h"

namespace qtz {

/// Rows that go into a matrix, one after another.
struct InputRows {
  const float* data;
  std::uint64_t rows;
  std::uint64_t cols;
};

struct TensorStatistics {
  std::uint64_t cols = 0;
  std::vector<double> squares;        ///< [experts, cols]
  std::vector<std::uint64_t> counts;  ///< rows seen by each expert; one for a matrix without experts
};

class ActivationStatistics {
 public:
  /// By tensor name, sorted.
  using Entries = std::map<std::string, TensorStatistics>;

  ActivationStatistics() = default;
  explicit ActivationStatistics(Entries entries) : entries_(std::move(entries)) {}

  /// Adds rows that went into the tensor, or into one of its experts' matrices. Threads split columns.
  void add(const std::string& tensor, const InputRows& rows, std::uint64_t expert, std::uint64_t experts,
           unsigned threads, const CancelToken& cancel);

  /// Adds squares that are summed already, one of each column of a matrix without experts, over `rows` rows.
  void add_squares(const std::string& tensor, const std::vector<double>& squares, std::uint64_t rows);

  const Entries& entries() const noexcept { return entries_; }

 private:
  Entries entries_;
};

}  // namespace qtz
