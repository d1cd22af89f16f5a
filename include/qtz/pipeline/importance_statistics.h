// What an importance matrix says about a tensor, in numbers: how much of it the text reached, and how unequal
// its channels are. The experts that nothing went into have no part in it.
#pragma once

#include <cstdint>

#include "qtz/formats/imatrix.h"

namespace qtz {

/// Over the mean squares of all columns of all experts that were reached.
struct ImportanceStatistics {
  std::uint64_t values = 0;   ///< stored, of unreached experts too
  std::uint64_t experts = 0;  ///< counts: 1 for a tensor without experts, and in a .dat
  std::uint64_t reached = 0;  ///< experts that something went into
  std::uint64_t active = 0;   ///< columns of them with a sum above zero
  std::uint64_t fewest = 0;   ///< rows (in a .dat windows) of the expert that the fewest went into
  std::uint64_t most = 0;     ///< ... and the most
  double lowest = 0;
  double mean = 0;
  double highest = 0;
  /// Share of the sum that the largest 1 % of the values (at least one) have: .01 where all are equal.
  double top_share = 0;
  /// Of the values as a distribution, divided by that of an equal one: 1 where all are equal. llama-imatrix
  /// shows the same in per cent.
  double entropy = 0;
};

ImportanceStatistics importance_statistics(const StoredSums& entry, ImatrixForm form);

}  // namespace qtz
