#include "qtz/forward/activation_statistics.h"

#include <algorithm>

#include "qtz/core/error.h"
#include "qtz/core/parallel.h"

namespace qtz {

bool ActivationStatistics::add(const std::string& tensor, const InputRows& rows, std::uint64_t expert,
                               std::uint64_t experts, unsigned threads, const CancelToken& cancel) {
  constexpr std::uint64_t kColumns = 256;
  TensorStatistics& entry = entries_[tensor];
  if (entry.squares.empty()) {
    entry.cols = rows.cols;
    entry.squares.resize(experts * rows.cols);
    entry.counts.resize(experts);
  }
  QTZ_CHECK(entry.cols == rows.cols && entry.counts.size() == experts && expert < experts);
  entry.counts[expert] += rows.rows;
  double* const squares = entry.squares.data() + expert * rows.cols;
  parallel_for((rows.cols + kColumns - 1) / kColumns, threads, cancel, [&](unsigned, std::uint64_t piece) {
    const std::uint64_t begin = piece * kColumns;
    const std::uint64_t end = std::min(begin + kColumns, rows.cols);
    for (std::uint64_t r = 0; r < rows.rows; ++r) {
      const float* row = rows.data + r * rows.cols;
      for (std::uint64_t c = begin; c < end; ++c) {
        squares[c] += static_cast<double>(row[c]) * static_cast<double>(row[c]);
      }
    }
  });
  return false;
}

void ActivationStatistics::add_squares(const std::string& tensor, const std::vector<double>& squares,
                                       std::uint64_t rows) {
  TensorStatistics& entry = entries_[tensor];
  if (entry.squares.empty()) {
    entry.cols = squares.size();
    entry.squares.resize(squares.size());
    entry.counts.resize(1);
  }
  QTZ_CHECK(entry.cols == squares.size() && entry.counts.size() == 1);
  entry.counts.front() += rows;
  for (std::size_t c = 0; c < squares.size(); ++c) entry.squares[c] += squares[c];
}

}  // namespace qtz
