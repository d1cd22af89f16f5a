#include "pipeline/token_scores.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace qtz {

namespace {

/// Of sorted values, between the two nearest.
double percentile(std::span<const double> sorted, double share) noexcept {
  if (sorted.empty()) return 0.0;
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  const double part = place - static_cast<double>(below);
  return (1.0 - part) * sorted[below] + part * sorted[above];
}

/// With its error: the number of values below a percentile is binomial.
Estimate percentile_with_error(std::span<const double> sorted, double share) noexcept {
  if (sorted.empty()) return {};
  const double spread = std::sqrt(share * (1.0 - share) / static_cast<double>(sorted.size()));
  const double above = percentile(sorted, std::min(share + spread, 1.0));
  const double below = percentile(sorted, std::max(share - spread, 0.0));
  return {percentile(sorted, share), 0.5 * (above - below)};
}

/// Every twentieth, and more where few tokens have much of all divergence.
constexpr double kShares[] = {
    0.0,  0.01,  0.02,  0.05,  0.1,   0.15,  0.2,    0.25,   0.3,    0.35,   0.4,    0.45,    0.5,     0.55,
    0.6,  0.65,  0.7,   0.75,  0.8,   0.85,  0.9,    0.92,   0.94,   0.95,   0.96,   0.97,    0.98,    0.985,
    0.99, 0.993, 0.995, 0.997, 0.998, 0.999, 0.9993, 0.9995, 0.9997, 0.9998, 0.9999, 0.99995, 0.99999, 1.0};

std::vector<Quantile> distribution_of(std::span<const double> sorted) {
  std::vector<Quantile> out;
  for (const double share : kShares) {
    // Between the two largest there is nothing to tell.
    if (share < 1.0 && (1.0 - share) * static_cast<double>(sorted.size()) < 1.0) continue;
    out.push_back({share, percentile(sorted, share)});
  }
  return out;
}

double covariance(std::span<const double> a, double mean_a, std::span<const double> b,
                  double mean_b) noexcept {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - mean_a) * (b[i] - mean_b);
  return sum / static_cast<double>(a.size());
}

std::vector<WorstPrediction> worst_of(const ScoredTokens& reference, const ScoredTokens& candidate,
                                      std::span<const std::uint64_t> at, std::uint64_t count) {
  std::vector<std::size_t> order(candidate.divergences.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  count = std::min<std::uint64_t>(count, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                    [&](std::size_t a, std::size_t b) {
                      const double x = candidate.divergences[a];
                      const double y = candidate.divergences[b];
                      return x != y ? x > y : a < b;
                    });
  std::vector<WorstPrediction> worst;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t place = order[i];
    worst.push_back({at[place], candidate.divergences[place], std::exp(reference.logarithms[place]),
                     std::exp(candidate.logarithms[place]), candidate.likeliest[place]});
  }
  return worst;
}

/// Which share of the sorted values lies below a part of the result.
struct Percentile {
  Estimate Divergence::*part;
  double share;
};

constexpr Percentile kOfDivergences[] = {{&Divergence::median, 0.5},
                                         {&Divergence::percentile_90, 0.9},
                                         {&Divergence::percentile_95, 0.95},
                                         {&Divergence::percentile_99, 0.99},
                                         {&Divergence::percentile_999, 0.999}};

constexpr Percentile kOfChanges[] = {{&Divergence::change_1, 0.01},  {&Divergence::change_5, 0.05},
                                     {&Divergence::change_25, 0.25}, {&Divergence::change_50, 0.5},
                                     {&Divergence::change_75, 0.75}, {&Divergence::change_95, 0.95},
                                     {&Divergence::change_99, 0.99}};

}  // namespace

TokenScore score_token(std::span<const float> logits, std::uint32_t next) noexcept {
  const auto top = std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - static_cast<double>(*top));
  const double normalizer = static_cast<double>(*top) + std::log(sum);
  return {static_cast<double>(logits[next]) - normalizer, static_cast<std::uint32_t>(top - logits.begin()),
          normalizer};
}

double divergence_of(std::span<const float> reference, const TokenScore& reference_score,
                     std::span<const float> candidate, const TokenScore& candidate_score) noexcept {
  double sum = 0.0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double log_p = static_cast<double>(reference[i]) - reference_score.normalizer;
    const double log_q = static_cast<double>(candidate[i]) - candidate_score.normalizer;
    sum += std::exp(log_p) * (log_p - log_q);
  }
  // Rounding alone makes it negative.
  return std::max(sum, 0.0);
}

Estimate mean_of(std::span<const double> values) noexcept {
  if (values.empty()) return {};
  const auto count = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  double square = 0.0;
  for (const double value : values) square += (value - mean) * (value - mean);
  return {mean, values.size() < 2 ? 0.0 : std::sqrt(square / count / (count - 1.0))};
}

Estimate perplexity_of(std::span<const double> logarithms) noexcept {
  const Estimate mean = mean_of(logarithms);
  const double perplexity = std::exp(-mean.value);
  return {perplexity, perplexity * mean.error};
}

Divergence compare_scores(const ScoredTokens& reference, const ScoredTokens& candidate,
                          std::span<const std::uint64_t> at, std::uint64_t worst) {
  const std::size_t count = candidate.logarithms.size();
  std::vector<double> changes;
  std::vector<double> squares;
  std::vector<double> same;
  std::vector<double> ratios;
  for (std::size_t i = 0; i < count; ++i) {
    const double change = std::exp(candidate.logarithms[i]) - std::exp(reference.logarithms[i]);
    changes.push_back(change);
    squares.push_back(change * change);
    same.push_back(candidate.likeliest[i] == reference.likeliest[i] ? 1.0 : 0.0);
    ratios.push_back(reference.logarithms[i] - candidate.logarithms[i]);
  }
  Divergence out{};
  out.mean = mean_of(candidate.divergences);
  out.same_top = mean_of(same);
  out.probability_change = mean_of(changes);
  const Estimate square = mean_of(squares);
  const double root = std::sqrt(square.value);
  out.root_mean_square = {root, root > 0.0 ? 0.5 * square.error / root : 0.0};
  const Estimate ratio = mean_of(ratios);
  out.perplexity_ratio = {std::exp(ratio.value), std::exp(ratio.value) * ratio.error};

  const double mean_r = mean_of(reference.logarithms).value;
  const double mean_c = mean_of(candidate.logarithms).value;
  const double spread = std::sqrt(covariance(reference.logarithms, mean_r, reference.logarithms, mean_r) *
                                  covariance(candidate.logarithms, mean_c, candidate.logarithms, mean_c));
  out.correlation =
      spread > 0.0 ? covariance(reference.logarithms, mean_r, candidate.logarithms, mean_c) / spread : 1.0;

  std::vector<double> sorted = candidate.divergences;
  std::sort(sorted.begin(), sorted.end());
  out.minimum = percentile(sorted, 0.0);
  for (const Percentile& each : kOfDivergences) out.*each.part = percentile_with_error(sorted, each.share);
  out.maximum = percentile(sorted, 1.0);
  out.distribution = distribution_of(sorted);
  std::sort(changes.begin(), changes.end());
  for (const Percentile& each : kOfChanges) out.*each.part = percentile_with_error(changes, each.share);
  out.worst = worst_of(reference, candidate, at, worst);
  return out;
}

}  // namespace qtz
