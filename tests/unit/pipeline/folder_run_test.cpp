#include "qtz/pipeline/folder_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "small_models.h"
#include "support/arch_checkpoint.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"
#include "support/silent_progress.h"

namespace qtz {
namespace {

namespace fs = std::filesystem;
using test::expect_error;

struct Made {
  fs::path folder;
  FolderPlan plan;
  FolderResult result;
};

/// A tiny checkpoint quantized into `scratch`/`name`.
Made make(const test::ScratchFolder& scratch, const fs::path& model, const std::string& name,
          const FolderOptions& options, const FolderRunOptions& run = {}) {
  Made made{scratch.path() / name,
            make_folder_plan(open_model(model, ModelOptions{}), ModelOptions{}, options),
            {}};
  test::SilentProgress progress;
  made.result = execute_folder(made.plan, made.folder, select_backend(""), run, progress, CancelToken());
  return made;
}

fs::path checkpoint(const test::ScratchFolder& scratch, const std::string& name) {
  return test::write_checkpoint(test::arch_data_folder() / name, scratch.path());
}

FolderOptions as(const char* type, unsigned bits, std::uint64_t group_size, bool symmetric) {
  FolderOptions options;
  options.type = find_folder_type(type);
  options.bits = bits;
  options.group_size = group_size;
  options.symmetric = symmetric;
  return options;
}

std::vector<float> read_tensor(const GgufModel& model, const std::string& name) {
  const auto found = std::find_if(model.tensors.begin(), model.tensors.end(),
                                  [&](const ModelTensor& tensor) { return tensor.name == name; });
  const TensorExpr& expr = *found->expr;
  const std::uint64_t rows = expr.shape().rows();
  std::vector<std::byte> bytes(rows * row_bytes(expr.dtype(), expr.shape().cols()));
  expr.read_rows(0, rows, bytes);
  std::vector<float> values(expr.shape().elements());
  select_backend("").decode(expr.dtype(), bytes.data(), values.data(), values.size());
  return values;
}

struct Form {
  const char* type;
  unsigned bits;
  std::uint64_t group_size;
  bool symmetric;
};

class Forms : public testing::TestWithParam<Form> {};

TEST_P(Forms, are_read_back_as_the_weights_that_were_found) {
  const test::ScratchFolder scratch;
  const fs::path folder = checkpoint(scratch, "llama");
  const Form& form = GetParam();
  const Made made = make(scratch, folder, "out", as(form.type, form.bits, form.group_size, form.symmetric));
  const GgufModel original = open_model(folder, ModelOptions{});
  const GgufModel found = open_model(made.folder, ModelOptions{});
  for (const char* name : {"blk.0.ffn_down.weight", "blk.1.attn_output.weight"}) {
    const auto planned = std::find_if(made.plan.modules.begin(), made.plan.modules.end(),
                                      [&](const PlannedModule& each) { return each.module.tensor == name; });
    ASSERT_NE(planned, made.plan.modules.end());
    const IntegerMatrix expected =
        quantize_matrix(read_tensor(original, name), planned->module.rows(), planned->module.cols(),
                        planned->scheme, {}, select_backend(""), 1, CancelToken());
    EXPECT_EQ(read_tensor(found, name), expected.weights()) << name;
  }
  EXPECT_EQ(read_tensor(found, "token_embd.weight"), read_tensor(original, "token_embd.weight"));
  EXPECT_EQ(made.result.worst.size(), 3u);
  EXPECT_LE(made.result.worst[0].sqnr_db, made.result.worst[1].sqnr_db);
}

INSTANTIATE_TEST_SUITE_P(Folders, Forms,
                         testing::Values(Form{"GPTQ", 4, 128, true}, Form{"GPTQ", 3, 64, true},
                                         Form{"GPTQ", 2, 32, false}, Form{"GPTQ", 8, 0, true},
                                         Form{"AWQ", 4, 128, false}, Form{"AWQ", 4, 32, true},
                                         Form{"W4A16", 4, 128, true}, Form{"W4A16", 4, 64, false},
                                         Form{"W8A16", 8, 0, true}, Form{"W4A16", 8, 32, false}));

FolderCalibration some_text(std::size_t tokens, std::uint64_t context) {
  FolderCalibration calibration;
  calibration.tokens = test::some_tokens(tokens);
  calibration.options.context = context;
  return calibration;
}

TEST(FolderRun, gptq_is_the_same_with_any_number_of_threads) {
  const test::ScratchFolder scratch;
  const fs::path folder = checkpoint(scratch, "llama");
  const FolderCalibration calibration = some_text(512, 64);
  std::string first;
  for (const unsigned threads : {1U, 3U}) {
    FolderRunOptions run;
    run.calibration = &calibration;
    run.threads = threads;
    const Made made = make(scratch, folder, "out" + std::to_string(threads), as("GPTQ", 4, 64, true), run);
    const std::string bytes = test::read_file(made.folder / "model.safetensors");
    if (first.empty()) first = bytes;
    EXPECT_TRUE(bytes == first);
    EXPECT_TRUE(made.result.remarks.empty()) << made.result.remarks.front();
  }
}

TEST(FolderRun, experts_with_too_few_tokens_are_rounded_and_named) {
  const test::ScratchFolder scratch;
  const fs::path folder = checkpoint(scratch, "qwen3-moe");
  const FolderCalibration calibration = some_text(40, 20);
  FolderRunOptions run;
  run.calibration = &calibration;
  const Made made = make(scratch, folder, "out", as("W4A16", 4, 32, true), run);
  ASSERT_FALSE(made.result.remarks.empty());
  const bool named =
      std::any_of(made.result.remarks.begin(), made.result.remarks.end(), [](const std::string& text) {
        return text.find("mlp.experts.") != std::string::npos &&
               text.find("too few tokens") != std::string::npos;
      });
  EXPECT_TRUE(named);
  EXPECT_NO_THROW(open_model(made.folder, ModelOptions{}));
}

TEST(FolderRun, activation_order_is_read_back) {
  const test::ScratchFolder scratch;
  const fs::path folder = checkpoint(scratch, "llama");
  const FolderCalibration calibration = some_text(512, 64);
  FolderRunOptions run;
  run.calibration = &calibration;
  FolderOptions options = as("GPTQ", 4, 64, true);
  options.activation_order = true;
  const Made made = make(scratch, folder, "out", options, run);
  const GgufModel original = open_model(folder, ModelOptions{});
  const GgufModel found = open_model(made.folder, ModelOptions{});
  const std::vector<float> a = read_tensor(original, "blk.0.ffn_down.weight");
  const std::vector<float> b = read_tensor(found, "blk.0.ffn_down.weight");
  double error = 0.0, signal = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    error += difference * difference;
    signal += static_cast<double>(a[i]) * static_cast<double>(a[i]);
  }
  EXPECT_LT(error, 0.05 * signal);
}

TEST(FolderRun, weights_that_are_no_numbers_are_refused_by_name) {
  const test::ScratchFolder scratch;
  const fs::path folder = checkpoint(scratch, "llama");
  const std::string name = "model.layers.1.mlp.up_proj.weight";
  std::uint64_t offset = 0;
  {
    const GgufModel model = open_model(folder, ModelOptions{});
    offset = model.source->find(name)->offset;
  }
  {
    std::fstream file(folder / "model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset + 2 * 5));
    file.write("\xC0\x7F", 2);
  }
  expect_error(ErrorKind::numeric, "'" + name + "' has a NaN or infinite weight at [0, 5]",
               [&] { make(scratch, folder, "out", as("W4A16", 4, 64, true)); });
  EXPECT_FALSE(fs::exists(scratch.path() / "out"));
}

TEST(FolderRun, needs_memory_for_a_matrix) {
  const test::ScratchFolder scratch;
  FolderRunOptions run;
  run.max_memory = 1 << 20;
  expect_error(ErrorKind::resource, "--max-memory",
               [&] { make(scratch, checkpoint(scratch, "llama"), "out", as("W4A16", 4, 64, true), run); });
}

}  // namespace
}  // namespace qtz
