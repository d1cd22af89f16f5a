// What goes into the matrices of a model while it runs: per matrix and input column the sum of squares, as
// llama-imatrix collects them. Sums are f64 and in the order of the tokens, so they do not depend on threads.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "qtz/forward/activation_observer.h"

namespace qtz {

struct TensorStatistics {
  std::uint64_t cols = 0;
  std::vector<double> squares;        ///< [experts, cols]
  std::vector<std::uint64_t> counts;  ///< rows seen by each expert; one for a matrix without experts
};

class ActivationStatistics final : public ActivationObserver {
 public:
  /// By tensor name, sorted.
  using Entries = std::map<std::string, TensorStatistics>;

  ActivationStatistics() = default;
  explicit ActivationStatistics(Entries entries) : entries_(std::move(entries)) {}

  /// Threads split columns.
  bool add(const std::string& tensor, const InputRows& rows, std::uint64_t expert, std::uint64_t experts,
           unsigned threads, const CancelToken& cancel) override;
  void add_squares(const std::string& tensor, const std::vector<double>& squares,
                   std::uint64_t rows) override;

  const Entries& entries() const noexcept { return entries_; }

 private:
  Entries entries_;
};

}  // namespace qtz
