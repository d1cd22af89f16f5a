// Models planned from a config.json alone: names and shapes of every tensor, held against what the
// architectures' oracles have.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "model/folder_file.h"
#include "qtz/core/error.h"
#include "qtz/core/json.h"
#include "qtz/model/gguf_model.h"
#include "support/arch_checkpoint.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace qtz {
namespace {

namespace fs = std::filesystem;

/// "BF16 [2048, 256]" of each tensor.
using Shapes = std::map<std::string, std::string>;

Shapes expected_shapes(const fs::path& folder) {
  const JsonValue oracle = read_folder_json(folder / "expected-bf16.json", JsonLimits{});
  Shapes shapes;
  for (const JsonValue& tensor : *oracle.find("tensors")->as_array()) {
    std::vector<std::uint64_t> dims;
    for (const JsonValue& dim : *tensor.find("ne")->as_array()) dims.push_back(*dim.as_uint());
    const Shape shape(std::vector<std::uint64_t>(dims.rbegin(), dims.rend()));
    shapes[*tensor.find("name")->as_string()] = *tensor.find("type")->as_string() + " " + shape.to_string();
  }
  return shapes;
}

Shapes outlined_shapes(const fs::path& config) {
  Shapes shapes;
  for (const ModelTensor& tensor : open_config(config, ModelOptions{}).tensors) {
    shapes[tensor.name] = std::string(name_of(tensor.unquantized)) + " " + tensor.expr->shape().to_string();
  }
  return shapes;
}

/// Of these the configuration alone does not tell everything, and qtz says so.
const std::set<std::string> kOpen = {"bert-labels", "jina-bert", "jina-bert-code", "modern-bert-rank",
                                     "xlm-roberta"};

class OutlineOf : public testing::TestWithParam<std::string> {};

TEST_P(OutlineOf, has_the_tensors_of_the_oracle) {
  const fs::path folder = test::arch_data_folder() / GetParam();
  const bool has_params = fs::exists(folder / "params.json");
  const fs::path config = folder / (has_params ? "params.json" : "config.json");
  if (kOpen.count(GetParam()) > 0) {
    test::expect_error(ErrorKind::input_invalid, "does not tell by itself", [&] { outlined_shapes(config); });
    return;
  }
  EXPECT_EQ(outlined_shapes(config), expected_shapes(folder));
}

INSTANTIATE_TEST_SUITE_P(Architectures, OutlineOf,
                         testing::ValuesIn(test::arch_data_names("expected-bf16.json")),
                         [](const testing::TestParamInfo<std::string>& parameter) {
                           std::string name = parameter.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(Outline, of_published_models_is_complete_or_names_the_class_that_is_unknown) {
  const fs::path folder = fs::path(QTZ_SHARED_DIR) / "data" / "configs";
  if (!fs::exists(folder)) GTEST_SKIP() << "needs " << folder;
  std::size_t known = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().native();
    if (!name.ends_with("_config.json") || name.ends_with("_hf_quant_config.json")) continue;
    SCOPED_TRACE(name);
    try {
      EXPECT_GT(outlined_shapes(entry.path()).size(), 100U);
      ++known;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::input_invalid);
      const bool is_open = error.message().find("does not tell by itself") != std::string::npos;
      EXPECT_TRUE(is_open || error.message().find("unknown architecture") != std::string::npos)
          << error.message();
    }
  }
  EXPECT_GE(known, 82U);
}

TEST(Outline, counts_the_weights_that_a_model_is_known_to_have) {
  const fs::path folder = fs::path(QTZ_SHARED_DIR) / "data" / "configs";
  if (!fs::exists(folder)) GTEST_SKIP() << "needs " << folder;
  const auto weights = [&](const std::string& name) {
    std::uint64_t count = 0;
    for (const ModelTensor& tensor : open_config(folder / (name + "_config.json"), ModelOptions{}).tensors)
      count += tensor.expr->shape().elements();
    return count;
  };
  EXPECT_EQ(weights("Qwen--Qwen3-8B"), 8190735360U);
  EXPECT_EQ(weights("deepseek-ai--DeepSeek-V3") / 1000000000, 671U);
  EXPECT_EQ(weights("deepseek-ai--DeepSeek-V4-Flash") / 1000000000, 284U);
  EXPECT_EQ(weights("meta-llama--Meta-Llama-3.1-8B"), 8030261312U);  // with the rope factors
  EXPECT_EQ(weights("openai--gpt-oss-20b") / 10000000, 2091U);
}

TEST(Outline, of_an_absurd_or_empty_configuration_is_an_error) {
  test::ScratchFolder scratch;
  const auto refuse = [&](const std::string& text, const std::string& piece) {
    const fs::path path = scratch.add("config.json", text);
    test::expect_error(ErrorKind::input_invalid, piece, [&] { open_config(path, ModelOptions{}); });
  };
  refuse("{}", "no class is named");
  refuse("[]", "not an object");
  refuse(R"({"architectures": ["LlamaForCausalLM"]})", "'vocab_size' is missing");
  refuse(
      R"({"architectures": ["LlamaForCausalLM"], "vocab_size": 10, "num_hidden_layers": 2, "hidden_size": 0,
             "num_attention_heads": 2, "intermediate_size": 4, "max_position_embeddings": 8})",
      "hidden_size");
  test::expect_error(ErrorKind::input_missing, "holds no config.json",
                     [&] { open_config(scratch.path() / "..", ModelOptions{}); });
}

}  // namespace
}  // namespace qtz
