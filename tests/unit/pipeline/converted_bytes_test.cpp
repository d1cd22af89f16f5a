// Whole runs from checkpoint folders against the bytes that llama-quantize made of the converter's files.
#include <gtest/gtest.h>

#include "planned_models.h"
#include "qtz/pipeline/run.h"
#include "support/arch_checkpoint.h"
#include "support/scratch_folder.h"
#include "support/sha256_hex.h"
#include "support/silent_progress.h"

namespace qtz {
namespace {

using namespace qtz::test;

class ConvertedBytes : public testing::TestWithParam<std::string> {};

std::string hash_of(const fs::path& file, const PlanEntry& entry) {
  const InputFile input(file);
  std::vector<std::byte> bytes(entry.bytes);
  input.read(entry.offset, bytes);
  return sha256_hex(bytes);
}

TEST_P(ConvertedBytes, AreLlamaQuantizesForEveryTypeOnRecord) {
  const ScratchFolder folder;
  const fs::path reference = arch_data_folder() / GetParam();
  const GgufModel model = open_model(write_checkpoint(reference, folder.path()), {});
  const JsonValue expected = read_record(reference / "expected-quant.json");

  // All types from one read of the input, as `--type` repeated does it.
  std::vector<QuantPlan> plans;
  std::vector<fs::path> outputs;
  for (const auto& [type, result] : *expected.as_object()) {
    if (result.find("tensors") == nullptr) continue;  // llama-quantize gave up, see mixes_test
    plans.push_back(make_plan(model, find_file_type(type), {}));
    outputs.push_back(folder.path() / (type + ".gguf"));
  }
  execute(plans, outputs, select_backend(""), {}, silent_progress(), CancelToken());

  std::size_t index = 0;
  for (const auto& [type, result] : *expected.as_object()) {
    if (result.find("tensors") == nullptr) continue;
    const QuantPlan& plan = plans[index];
    const JsonObject& tensors = *result.find("tensors")->as_object();
    EXPECT_EQ(plan.entries.size(), tensors.size());
    for (const auto& [name, facts] : tensors) {
      const PlanEntry& entry = entry_of(plan, name);
      const std::string& wanted = *(*facts.as_array())[1].as_string();
      EXPECT_EQ(name_of(entry.type), *(*facts.as_array())[0].as_string()) << type << " " << name;
      EXPECT_EQ(hash_of(outputs[index], entry).substr(0, wanted.size()), wanted) << type << " " << name;
    }
    ++index;
  }
}

/// A whole run to `type`, against what is on record of the converter's file.
void expect_converters_bytes(const std::string& name, const char* type, const char* record,
                             const ModelOptions& options) {
  const ScratchFolder folder;
  const fs::path reference = arch_data_folder() / name;
  const GgufModel model = open_model(write_checkpoint(reference, folder.path()), options);
  const QuantPlan plan = make_plan(model, find_file_type(type), {});
  const fs::path output = folder.path() / "out.gguf";
  execute({&plan, 1}, {&output, 1}, select_backend(""), {}, silent_progress(), CancelToken());
  const JsonValue expected = read_record(reference / record);
  // Two architectures of the converter write no file type.
  if (const JsonValue* file_type = expected.find("kv")->find("general.file_type")) {
    EXPECT_EQ(plan.metadata.find("general.file_type")->as_uint(), file_type->find("value")->as_uint());
  }
  const JsonArray& tensors = *expected.find("tensors")->as_array();
  EXPECT_EQ(plan.entries.size(), tensors.size());
  for (const JsonValue& tensor : tensors) {
    const PlanEntry& entry = entry_of(plan, *tensor.find("name")->as_string());
    EXPECT_EQ(name_of(entry.type), *tensor.find("type")->as_string()) << entry.name;
    EXPECT_EQ(hash_of(output, entry), *tensor.find("sha256")->as_string()) << entry.name;
  }
}

TEST_P(ConvertedBytes, AreTheConvertersInBf16) {
  expect_converters_bytes(GetParam(), "BF16", "expected-bf16.json", {});
}

class ConvertedNvfp4 : public testing::TestWithParam<std::string> {};

TEST_P(ConvertedNvfp4, IsTheConverters) {
  ModelOptions options;
  options.keeps_nvfp4 = true;
  expect_converters_bytes(GetParam(), "NVFP4", "expected-nvfp4.json", options);
}

std::string test_name(const testing::TestParamInfo<std::string>& each) {
  std::string name = each.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, ConvertedBytes, testing::ValuesIn(arch_data_names()), test_name);
INSTANTIATE_TEST_SUITE_P(Checkpoints, ConvertedNvfp4,
                         testing::ValuesIn(arch_data_names("expected-nvfp4.json")), test_name);

}  // namespace
}  // namespace qtz
