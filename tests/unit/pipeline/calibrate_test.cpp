#include "qtz/pipeline/calibrate.h"

#include <gtest/gtest.h>

#include <cmath>

#include "qtz/formats/imatrix.h"
#include "support/silent_progress.h"
#include "unit/pipeline/small_models.h"

namespace qtz {
namespace {

using test::small_model;
using test::some_tokens;

Calibration run(const GgufModel& model, std::size_t tokens, unsigned threads = 0, bool output = false) {
  test::SilentProgress progress;
  const CancelToken cancel;
  CalibrationOptions options;
  options.context = 32;
  options.threads = threads;
  options.process_output = output;
  return calibrate(model, some_tokens(tokens), options, select_backend(""), progress, cancel);
}

TEST(Calibrate, sees_every_token_go_into_every_matrix) {
  const test::ScratchFolder scratch;
  const Calibration found = run(small_model("llama", scratch), 100);
  EXPECT_EQ(found.windows, 3U);
  // Attention has four matrices and the MLP three, in each of two layers.
  ASSERT_EQ(found.statistics.entries().size(), 14U);
  for (const auto& [name, entry] : found.statistics.entries()) {
    ASSERT_EQ(entry.counts.size(), 1U) << name;
    EXPECT_EQ(entry.counts[0], 96U) << name;
    EXPECT_EQ(entry.squares.size(), entry.cols) << name;
    for (const double square : entry.squares) ASSERT_GT(square, 0.0) << name;
  }
  const auto& entries = found.statistics.entries();
  EXPECT_EQ(entries.at("blk.0.attn_q.weight").squares, entries.at("blk.0.attn_v.weight").squares);
  EXPECT_NE(entries.at("blk.0.attn_q.weight").squares, entries.at("blk.0.ffn_up.weight").squares);
}

TEST(Calibrate, sums_are_those_of_the_normed_embedding) {
  const test::ScratchFolder scratch;
  const GgufModel model = small_model("llama", scratch);
  const Calibration found = run(model, 64);
  // RMS norms make the mean of a row's squares 1 before their weights; the tiny model's weights are about 1.
  double sum = 0.0;
  const auto& entry = found.statistics.entries().at("blk.0.attn_q.weight");
  for (const double square : entry.squares) sum += square;
  EXPECT_NEAR(sum / (64.0 * static_cast<double>(entry.cols)), 1.0, 0.1);
}

TEST(Calibrate, counts_the_tokens_of_each_expert) {
  const test::ScratchFolder scratch;
  const Calibration found = run(small_model("mixtral", scratch), 128);
  const auto& entry = found.statistics.entries().at("blk.0.ffn_down_exps.weight");
  ASSERT_EQ(entry.counts.size(), 4U);
  std::uint64_t total = 0;
  for (const std::uint64_t count : entry.counts) total += count;
  EXPECT_EQ(total, 2U * 128U);  // two experts for each token
}

TEST(Calibrate, is_the_same_with_any_number_of_threads) {
  const test::ScratchFolder scratch;
  const GgufModel model = small_model("qwen3-moe", scratch);
  const Calibration one = run(model, 128, 1);
  const Calibration three = run(model, 128, 3);
  for (const auto& [name, entry] : one.statistics.entries()) {
    EXPECT_EQ(entry.squares, three.statistics.entries().at(name).squares) << name;
  }
}

TEST(Calibrate, collects_for_the_output_where_asked) {
  const test::ScratchFolder scratch;
  const GgufModel model = small_model("llama", scratch);
  EXPECT_EQ(run(model, 64).statistics.entries().count("output.weight"), 0U);
  const Calibration found = run(model, 64, 0, true);
  ASSERT_EQ(found.statistics.entries().count("output.weight"), 1U);
  EXPECT_EQ(found.statistics.entries().at("output.weight").counts[0], 64U);
}

TEST(Calibrate, writes_what_the_reader_reads) {
  const test::ScratchFolder scratch;
  const Calibration found = run(small_model("mixtral", scratch), 128);
  const auto path = scratch.path() / "made.gguf";
  write_imatrix(to_imatrix(found, {"text.txt"}), ImatrixForm::gguf, path, OutputOptions{});
  const ImportanceMatrix matrix(path);
  EXPECT_EQ(matrix.size(), found.statistics.entries().size());
  EXPECT_EQ(matrix.datasets(), std::vector<std::string>{"text.txt"});
  EXPECT_EQ(matrix.chunks(), 4U);
  const auto values = matrix.find("blk.1.ffn_up_exps.weight");
  const auto& entry = found.statistics.entries().at("blk.1.ffn_up_exps.weight");
  ASSERT_EQ(values.size(), entry.squares.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto count = static_cast<double>(entry.counts[i / entry.cols]);
    if (count == 0) continue;  // equal importance
    ASSERT_NEAR(values[i], entry.squares[i] / count, 1e-5 * entry.squares[i] / count + 1e-12);
  }
}

}  // namespace
}  // namespace qtz
