// Who wants to know what goes into the matrices of a model while it runs: statistics, and methods that choose
// a matrix's weights by its inputs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "qtz/core/progress.h"

namespace qtz {

/// Rows that go into a matrix, one after another.
struct InputRows {
  const float* data;
  std::uint64_t rows;
  std::uint64_t cols;
};

class ActivationObserver {
 public:
  virtual ~ActivationObserver() = default;

  /// Rows that go into the tensor, or into one of its experts' matrices, before they are multiplied with it.
  /// True if the tensor is another one from now on: then it is read anew.
  virtual bool add(const std::string& tensor, const InputRows& rows, std::uint64_t expert,
                   std::uint64_t experts, unsigned threads, const CancelToken& cancel) = 0;

  /// The same of a matrix without experts that is never multiplied with by itself: the sum of squares of each
  /// of its columns, over `rows` rows.
  virtual void add_squares(const std::string& tensor, const std::vector<double>& squares,
                           std::uint64_t rows) = 0;
};

}  // namespace qtz
