#include "qtz/pipeline/importance_statistics.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

namespace qtz {
namespace {

/// Mean squares of the experts that were reached. The values of a .dat without a count are means.
std::vector<double> means_of(const StoredSums& entry, ImatrixForm form) {
  std::vector<double> means;
  const auto cols = static_cast<std::size_t>(entry.cols());
  for (std::size_t i = 0; i < entry.counts.size(); ++i) {
    if (entry.counts[i] == 0 && form == ImatrixForm::gguf) continue;
    const double count = static_cast<double>(std::max<std::uint64_t>(entry.counts[i], 1));
    for (std::size_t c = 0; c < cols; ++c)
      means.push_back(static_cast<double>(entry.sums[i * cols + c]) / count);
  }
  return means;
}

double entropy_of(const std::vector<double>& means, double sum) {
  if (means.size() == 1) return 1.0;
  double entropy = 0;
  for (const double mean : means) {
    const double share = mean / sum;
    if (share > 0) entropy -= share * std::log2(share);
  }
  return entropy / std::log2(static_cast<double>(means.size()));
}

double sum_of(const std::vector<double>& values, std::size_t count) {
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += values[i];
  return sum;
}

}  // namespace

ImportanceStatistics importance_statistics(const StoredSums& entry, ImatrixForm form) {
  ImportanceStatistics found;
  found.values = entry.sums.size();
  found.experts = entry.counts.size();
  const auto [fewest, most] = std::minmax_element(entry.counts.begin(), entry.counts.end());
  found.fewest = *fewest;
  found.most = *most;
  std::vector<double> means = means_of(entry, form);
  if (means.empty()) return found;
  found.reached = means.size() / static_cast<std::size_t>(entry.cols());
  found.active = static_cast<std::uint64_t>(
      std::count_if(means.begin(), means.end(), [](double mean) { return mean > 0; }));
  const double sum = sum_of(means, means.size());
  found.mean = sum / static_cast<double>(means.size());
  if (sum > 0) found.entropy = entropy_of(means, sum);
  // Largest first: the order makes the sum of the top the same whatever the standard library does.
  std::sort(means.begin(), means.end(), std::greater<>());
  found.highest = means.front();
  found.lowest = means.back();
  constexpr std::size_t kPercent = 100;
  if (sum > 0) found.top_share = sum_of(means, (means.size() + kPercent - 1) / kPercent) / sum;
  return found;
}

}  // namespace qtz
