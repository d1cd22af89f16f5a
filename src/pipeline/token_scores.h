// What one row of logits says about the token that follows, and how two rows differ.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "qtz/pipeline/evaluate.h"

namespace qtz {

/// Of one model, at one position.
struct TokenScore {
  double logarithm;         ///< of the following token's probability
  std::uint32_t likeliest;  ///< of equal ones the first
  double normalizer;        ///< logarithm of the sum of exp(logit)
};
TokenScore score_token(std::span<const float> logits, std::uint32_t next) noexcept;

/// Kullback-Leibler divergence of the candidate's distribution from the reference's; not negative.
double divergence_of(std::span<const float> reference, const TokenScore& reference_score,
                     std::span<const float> candidate, const TokenScore& candidate_score) noexcept;

/// Everything of a candidate, position after position.
struct ScoredTokens {
  std::vector<double> logarithms;
  std::vector<std::uint32_t> likeliest;
  std::vector<double> divergences;  ///< empty without a reference
};

Estimate mean_of(std::span<const double> values) noexcept;
/// exp of the mean of -logarithms, with its error.
Estimate perplexity_of(std::span<const double> logarithms) noexcept;

/// `at`: index in the text's tokens of each predicted token.
Divergence compare_scores(const ScoredTokens& reference, const ScoredTokens& candidate,
                          std::span<const std::uint64_t> at, std::uint64_t worst);

}  // namespace qtz
