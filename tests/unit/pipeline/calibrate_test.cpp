#include "qtz/pipeline/calibrate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>

#include "qtz/core/json.h"
#include "qtz/formats/imatrix.h"
#include "qtz/pipeline/run.h"
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

/// Makes rows of a BF16 matrix in a checkpoint pick one column each: row `rows[i]` gives column `i % cols`.
void pick_columns(const std::filesystem::path& file, const std::string& tensor,
                  const std::vector<std::uint64_t>& rows) {
  constexpr std::uint16_t kOne = 0x3F80;
  std::ifstream in(file, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof header);
  const std::string text = bytes.substr(sizeof header, header);
  const JsonValue json = parse_json(text, JsonLimits{}, "header");
  const JsonValue* const entry = json.find(tensor);
  ASSERT_NE(entry, nullptr);
  const std::uint64_t cols = *(*entry->find("shape")->as_array())[1].as_uint();
  const std::uint64_t begin =
      sizeof header + header + *(*entry->find("data_offsets")->as_array())[0].as_uint();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    char* const row = bytes.data() + begin + rows[i] * cols * sizeof kOne;
    std::memset(row, 0, cols * sizeof kOne);
    std::memcpy(row + i % cols * sizeof kOne, &kOne, sizeof kOne);
  }
  std::ofstream(file, std::ios::binary) << bytes;
}

/// What goes into the matrices of latent attention as GGUF has them is seen elsewhere, too, if queries are
/// columns of what makes them, and values columns of the latent vectors.
TEST(Calibrate, sees_what_goes_into_latent_attention) {
  constexpr std::uint64_t kHeads = 4, kPlain = 64, kTurned = 32, kValue = 64, kRank = 256;
  const test::ScratchFolder scratch;
  const auto folder = test::write_checkpoint(test::arch_data_folder() / "deepseek2", scratch.path());
  std::vector<std::uint64_t> queries;
  std::vector<std::uint64_t> values;
  for (std::uint64_t head = 0; head < kHeads; ++head) {
    for (std::uint64_t i = 0; i < kPlain; ++i) queries.push_back(head * (kPlain + kTurned) + i);
    for (std::uint64_t i = 0; i < kValue; ++i) values.push_back(head * (kPlain + kValue) + kPlain + i);
  }
  const std::string attention = "model.layers.0.self_attn.";
  pick_columns(folder / "model.safetensors", attention + "q_b_proj.weight", queries);
  pick_columns(folder / "model.safetensors", attention + "kv_b_proj.weight", values);

  const Calibration found = run(open_model(folder, ModelOptions{}), 100);
  const auto& entries = found.statistics.entries();
  const auto& keys = entries.at("blk.0.attn_k_b.weight");
  const auto& latent = entries.at("blk.0.attn_v_b.weight");
  ASSERT_EQ(keys.squares.size(), kHeads * kPlain);
  ASSERT_EQ(latent.squares.size(), kHeads * kRank);
  EXPECT_EQ(keys.counts, std::vector<std::uint64_t>{96});
  EXPECT_EQ(latent.counts, std::vector<std::uint64_t>{96});
  const auto& before_queries = entries.at("blk.0.attn_q_b.weight").squares;
  const auto& attended = entries.at("blk.0.attn_output.weight").squares;
  for (std::uint64_t head = 0; head < kHeads; ++head) {
    for (std::uint64_t i = 0; i < kPlain; ++i) {
      const std::uint64_t at = head * kPlain + i;
      ASSERT_NEAR(keys.squares[at], before_queries[at], 1e-5 * before_queries[at]) << head << " " << i;
      const double square = latent.squares[head * kRank + at];
      ASSERT_NEAR(attended[at], square, 1e-4 * square) << head << " " << i;
    }
  }
}

/// Layers have matrices beside attention and MLP; those of keys and values are not used by layers that take
/// an earlier one's, and nothing goes into those that no layer reads.
TEST(Calibrate, sees_what_goes_into_the_matrices_of_wide_states) {
  const test::ScratchFolder scratch;
  const GgufModel model = small_model("gemma3n-shared", scratch);
  constexpr std::uint64_t kFirstTaker = 3;
  const Calibration found = run(model, 100);
  const auto& entries = found.statistics.entries();
  std::size_t expected = 0;
  for (const ModelTensor& tensor : model.tensors) {
    if (!tensor.name.starts_with("blk.") || tensor.expr->shape().rank() < 2) continue;
    const bool is_taken = tensor.name >= "blk." + std::to_string(kFirstTaker) &&
                          (tensor.name.ends_with("attn_k.weight") || tensor.name.ends_with("attn_v.weight"));
    EXPECT_EQ(entries.count(tensor.name), is_taken ? 0U : 1U) << tensor.name;
    expected += is_taken ? 0 : 1;
  }
  EXPECT_EQ(entries.size(), expected);
  EXPECT_EQ(entries.at("blk.4.altup_correct_coef.weight").counts, std::vector<std::uint64_t>{96});
}

/// An indexer of sparse attention reads what attention reads, and what queries are made from.
TEST(Calibrate, sees_what_goes_into_an_indexer) {
  const test::ScratchFolder scratch;
  const Calibration found = run(small_model("glm-moe-dsa", scratch), 100);
  const auto& entries = found.statistics.entries();
  const auto squares = [&](const char* name) {
    return entries.at("blk.1." + std::string(name) + ".weight").squares;
  };
  EXPECT_EQ(squares("indexer.attn_k"), squares("attn_kv_a_mqa"));
  EXPECT_EQ(squares("indexer.proj"), squares("attn_kv_a_mqa"));
  EXPECT_EQ(squares("indexer.attn_q_b"), squares("attn_q_b"));
}

TEST(Calibrate, does_not_depend_on_how_many_windows_run_at_a_time) {
  const test::ScratchFolder scratch;
  const GgufModel model = small_model("deepseek2", scratch);
  test::SilentProgress progress;
  const CancelToken cancel;
  CalibrationOptions options;
  options.context = 32;
  const auto tokens = some_tokens(200);
  const Calibration all = calibrate(model, tokens, options, select_backend(""), progress, cancel);
  options.batch = 64;
  const Calibration two = calibrate(model, tokens, options, select_backend(""), progress, cancel);
  for (const auto& [name, entry] : all.statistics.entries()) {
    const auto& other = two.statistics.entries().at(name);
    EXPECT_EQ(entry.counts, other.counts) << name;
    for (std::size_t i = 0; i < entry.squares.size(); ++i)
      ASSERT_NEAR(entry.squares[i], other.squares[i], 1e-4 * entry.squares[i] + 1e-9) << name;
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

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The file that the model and the matrix give.
std::string quantized(const GgufModel& model, const StoredImatrix& matrix,
                      const std::filesystem::path& path) {
  PlanOptions options;
  options.importance = std::make_shared<const ImportanceMatrix>(matrix, "matrix");
  const QuantPlan plan = make_plan(model, find_file_type("Q4_K_S"), options);
  test::SilentProgress progress;
  execute({&plan, 1}, {&path, 1}, select_backend(""), {.overwrite = true}, progress, CancelToken());
  return bytes_of(path);
}

TEST(Calibrate, experts_that_no_token_reached_are_quantized_as_if_all_columns_mattered_alike) {
  const test::ScratchFolder scratch;
  const GgufModel model = small_model("mixtral", scratch);
  const StoredImatrix reached = to_imatrix(run(model, 128), {});
  StoredImatrix unreached = reached;
  StoredImatrix equal = reached;
  constexpr std::size_t kExpert = 2;
  for (const char* name : {"blk.0.ffn_up_exps.weight", "blk.1.ffn_down_exps.weight"}) {
    const auto cols = reached.entries.at(name).cols();
    for (std::size_t c = 0; c < cols; ++c) {
      unreached.entries.at(name).sums[kExpert * cols + c] = 0.0f;
      equal.entries.at(name).sums[kExpert * cols + c] = 1.0f;
    }
    unreached.entries.at(name).counts[kExpert] = 0;
    equal.entries.at(name).counts[kExpert] = 1;
  }
  const auto path = scratch.path() / "made.gguf";
  const std::string expected = quantized(model, equal, path);
  EXPECT_EQ(quantized(model, unreached, path), expected);
  EXPECT_NE(quantized(model, reached, path), expected);
}

}  // namespace
}  // namespace qtz
