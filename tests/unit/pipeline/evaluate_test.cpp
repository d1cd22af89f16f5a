#include "qtz/pipeline/evaluate.h"

#include <gtest/gtest.h>

#include <cmath>

#include "pipeline/token_scores.h"
#include "support/expect_error.h"
#include "support/silent_progress.h"
#include "unit/pipeline/small_models.h"

namespace qtz {
namespace {

using test::small_model;
using test::some_tokens;

EvaluationOptions windows_of(std::uint64_t context, unsigned threads = 0) {
  EvaluationOptions options;
  options.context = context;
  options.threads = threads;
  return options;
}

Evaluations run(std::vector<const GgufModel*> candidates, const GgufModel* reference,
                const std::vector<std::uint32_t>& tokens, const EvaluationOptions& options) {
  test::SilentProgress progress;
  const CancelToken cancel;
  return evaluate(candidates, reference, tokens, options, select_backend(""), progress, cancel);
}

TEST(Evaluate, scores_the_second_half_of_every_window) {
  const test::ScratchFolder scratch;
  const GgufModel model = small_model("llama", scratch);
  const std::vector<std::uint32_t> tokens = some_tokens(100);
  const Evaluations found = run({&model}, nullptr, tokens, windows_of(32));
  EXPECT_EQ(found.windows, 3U);
  ASSERT_EQ(found.candidates.size(), 1U);
  EXPECT_EQ(found.candidates[0].scored, 3U * 15U);
  EXPECT_FALSE(found.candidates[0].divergence);
  // A model of random weights knows nothing: about as many guesses as there are tokens.
  EXPECT_GT(found.candidates[0].perplexity.value, 1000.0);
  EXPECT_LT(found.candidates[0].perplexity.value, 10000.0);
  EXPECT_GT(found.candidates[0].perplexity.error, 0.0);
}

TEST(Evaluate, is_the_same_with_any_number_of_threads) {
  const test::ScratchFolder scratch;
  const GgufModel model = small_model("qwen3", scratch);
  const std::vector<std::uint32_t> tokens = some_tokens(300);
  const double one = run({&model}, nullptr, tokens, windows_of(64, 1)).candidates[0].perplexity.value;
  const double three = run({&model}, nullptr, tokens, windows_of(64, 3)).candidates[0].perplexity.value;
  EXPECT_EQ(one, three);
}

TEST(Evaluate, finds_no_divergence_of_a_model_from_itself) {
  const test::ScratchFolder scratch;
  const GgufModel model = small_model("llama", scratch);
  const Evaluations found = run({&model, &model}, &model, some_tokens(128), windows_of(32));
  ASSERT_EQ(found.candidates.size(), 2U);
  for (const Evaluation& each : found.candidates) {
    ASSERT_TRUE(each.divergence);
    EXPECT_LT(each.divergence->maximum, 1e-9);
    EXPECT_EQ(each.divergence->same_top.value, 1.0);
    EXPECT_EQ(each.divergence->perplexity_ratio.value, 1.0);
    EXPECT_EQ(each.perplexity.value, found.reference->perplexity.value);
  }
}

TEST(Evaluate, finds_another_model_to_diverge) {
  const test::ScratchFolder scratch;
  const GgufModel reference = small_model("llama", scratch);
  const GgufModel other = small_model("llama-bias", scratch);
  EvaluationOptions options = windows_of(32);
  options.worst = 3;
  const Evaluations found = run({&other}, &reference, some_tokens(128), options);
  const Divergence& divergence = *found.candidates[0].divergence;
  EXPECT_GT(divergence.mean.value, 0.01);
  EXPECT_LE(divergence.minimum, divergence.median.value);
  EXPECT_LE(divergence.median.value, divergence.percentile_99.value);
  EXPECT_LE(divergence.percentile_999.value, divergence.maximum);
  EXPECT_GT(divergence.median.error, 0.0);
  ASSERT_EQ(divergence.worst.size(), 3U);
  EXPECT_EQ(divergence.worst[0].divergence, divergence.maximum);
  EXPECT_GE(divergence.worst[0].divergence, divergence.worst[1].divergence);
}

TEST(Evaluate, refuses_texts_and_windows_that_do_not_fit) {
  const test::ScratchFolder scratch;
  const GgufModel model = small_model("llama", scratch);
  const auto refuse = [&](ErrorKind kind, const std::string& piece, std::size_t tokens,
                          EvaluationOptions options) {
    test::expect_error(kind, piece, [&] { run({&model}, nullptr, some_tokens(tokens), options); });
  };
  refuse(ErrorKind::input_invalid, "fewer than two windows", 63, windows_of(32));
  refuse(ErrorKind::input_invalid, "fewer than two windows", 0, windows_of(32));
  refuse(ErrorKind::usage, "too short", 63, windows_of(3));
  refuse(ErrorKind::input_invalid, "trained with", 9000, windows_of(4096));
}

TEST(TokenScores, are_those_of_the_softmax) {
  const std::vector<float> logits = {0.0f, std::log(2.0f), std::log(5.0f)};
  const TokenScore score = score_token(logits, 1);
  EXPECT_NEAR(score.logarithm, std::log(2.0 / 8.0), 1e-6);
  EXPECT_EQ(score.likeliest, 2U);
}

TEST(TokenScores, diverge_as_kullback_and_leibler_say) {
  const std::vector<float> p = {std::log(0.5f), std::log(0.25f), std::log(0.25f)};
  const std::vector<float> q = {std::log(0.25f), std::log(0.5f), std::log(0.25f)};
  const double found = divergence_of(p, score_token(p, 0), q, score_token(q, 0));
  EXPECT_NEAR(found, 0.5 * std::log(2.0) - 0.25 * std::log(2.0), 1e-6);
}

TEST(TokenScores, have_a_standard_error) {
  const std::vector<double> values = {1.0, 2.0, 3.0, 6.0};
  const Estimate mean = mean_of(values);
  EXPECT_DOUBLE_EQ(mean.value, 3.0);
  EXPECT_NEAR(mean.error, std::sqrt(3.5 / 3.0), 1e-12);
}

/// A candidate whose divergences are 0, 1 ... count - 1 over count.
Divergence even_divergence(std::size_t count) {
  ScoredTokens reference{std::vector<double>(count, -1.0), std::vector<std::uint32_t>(count, 0), {}};
  ScoredTokens candidate = reference;
  std::vector<std::uint64_t> at;
  for (std::size_t i = 0; i < count; ++i) {
    candidate.divergences.push_back(static_cast<double>(i) / static_cast<double>(count));
    at.push_back(i);
  }
  return compare_scores(reference, candidate, at, 0);
}

TEST(TokenScores, know_how_sure_their_percentiles_are) {
  const Divergence few = even_divergence(101);
  EXPECT_NEAR(few.median.value, 50.0 / 101, 1e-12);
  EXPECT_NEAR(few.median.error, 0.5 / std::sqrt(101.0) * 100 / 101, 1e-12);
  EXPECT_NEAR(few.percentile_90.error, 0.3 / std::sqrt(101.0) * 100 / 101, 1e-12);
  EXPECT_LE(few.percentile_999.value, few.maximum);
  EXPECT_NEAR(even_divergence(404).median.error, 0.5 * few.median.error, 1e-3);
}

TEST(TokenScores, are_spread_from_the_least_to_the_largest) {
  const Divergence found = even_divergence(101);
  const auto& spread = found.distribution;
  EXPECT_EQ(spread.front().divergence, found.minimum);
  EXPECT_EQ(spread.back().divergence, found.maximum);
  for (std::size_t i = 1; i < spread.size(); ++i) {
    EXPECT_GT(spread[i].share, spread[i - 1].share);
    EXPECT_GE(spread[i].divergence, spread[i - 1].divergence);
  }
  EXPECT_EQ(
      std::count_if(spread.begin(), spread.end(), [](const Quantile& each) { return each.share > 0.99; }), 1)
      << "a hundred tokens have no thousandth";
}

}  // namespace
}  // namespace qtz
