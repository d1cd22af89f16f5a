// How well models predict a text: perplexity, and against a reference the divergence of their predictions, as
// llama-perplexity defines them. All models run layer by layer over all windows; no logits are stored.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "qtz/core/progress.h"
#include "qtz/forward/decoder.h"
#include "qtz/kernels/backend.h"
#include "qtz/model/gguf_model.h"

namespace qtz {

struct EvaluationOptions {
  std::uint64_t context = 512;          ///< tokens of a window; its second half is scored
  std::uint64_t chunks = 0;             ///< windows; 0: as many as the text has
  std::optional<std::uint32_t> bos;     ///< replaces the first token of every window
  std::uint64_t worst = 10;             ///< how many of the worst predictions are told
  unsigned threads = 0;                 ///< 0: all cores
  std::uint64_t batch = kDefaultBatch;  ///< tokens that are run at a time, as whole windows
  std::uint64_t max_memory = 0;         ///< bytes; 0: what the machine has left
};

/// A mean and the standard error of it.
struct Estimate {
  double value = 0.0;
  double error = 0.0;
};

/// The divergence that this share of all tokens does not exceed.
struct Quantile {
  double share;
  double divergence;  ///< in nats
};

/// A prediction that a candidate got worse than the reference.
struct WorstPrediction {
  std::uint64_t at;       ///< index of the predicted token in the text's tokens
  double divergence;      ///< in nats
  double reference;       ///< probability of the text's token by the reference
  double candidate;       ///< and by the candidate
  std::uint32_t guessed;  ///< the token that the candidate holds for the likeliest
};

/// How a candidate's predictions differ from the reference's, over all scored tokens. Divergences are
/// Kullback-Leibler of the candidate from the reference, in nats; probabilities are those of the text's
/// token. A percentile's error is half the distance between those one standard error of the share below and
/// above it (Woodruff 1952), which knows no value beyond the largest.
struct Divergence {
  Estimate mean;
  Estimate median, percentile_90, percentile_95, percentile_99, percentile_999;
  double minimum, maximum;
  std::vector<Quantile> distribution;  ///< from share 0 to share 1, closer together towards the end
  Estimate same_top;                   ///< share of tokens whose likeliest guess is the same
  Estimate probability_change;         ///< mean of candidate - reference
  Estimate root_mean_square;           ///< of the same
  Estimate change_1, change_5, change_25, change_50, change_75, change_95, change_99;  ///< its percentiles
  Estimate perplexity_ratio;           ///< candidate / reference
  double correlation;                  ///< of the logarithms of both perplexities, token by token
  std::vector<WorstPrediction> worst;  ///< by divergence, largest first
};

struct Evaluation {
  Estimate perplexity;
  std::uint64_t scored = 0;              ///< tokens
  std::optional<Divergence> divergence;  ///< where there is a reference
};

struct Evaluations {
  std::uint64_t windows = 0;
  std::optional<Evaluation> reference;
  std::vector<Evaluation> candidates;  ///< as given
};

/// Scores `tokens`, a text without special tokens before it, by `candidates` and, unless it is null, by
/// `reference`. Throws input_invalid for a text shorter than two windows, a window longer than the models
/// were trained for, models of different vocabularies, and what Decoder throws; usage for a window of fewer
/// than 4 tokens.
Evaluations evaluate(std::span<const GgufModel* const> candidates, const GgufModel* reference,
                     std::span<const std::uint32_t> tokens, const EvaluationOptions& options,
                     const Backend& backend, Progress& progress, const CancelToken& cancel);

}  // namespace qtz
