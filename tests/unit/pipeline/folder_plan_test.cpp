#include "qtz/pipeline/folder_plan.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "qtz/core/json.h"
#include "support/arch_checkpoint.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace qtz {
namespace {

namespace fs = std::filesystem;
using test::expect_error;

/// A tiny checkpoint as a folder, opened.
class Opened {
 public:
  explicit Opened(const std::string& name)
      : folder_(test::write_checkpoint(test::arch_data_folder() / name, scratch_.path())) {}

  const fs::path& folder() const { return folder_; }
  FolderPlan plan(const FolderOptions& options) const {
    return make_folder_plan(open_model(folder_, ModelOptions{}), ModelOptions{}, options);
  }

 private:
  test::ScratchFolder scratch_;
  fs::path folder_;
};

FolderOptions as(const char* type, std::vector<std::string> rules = {}) {
  FolderOptions options;
  options.type = find_folder_type(type);
  options.command = "qtz quantize model";
  for (const std::string& rule : rules) options.rules.push_back(parse_module_rule(rule));
  return options;
}

JsonValue config_of(const FolderPlan& plan, const std::string& name = "config.json") {
  for (const auto& [file, text] : plan.texts) {
    if (file == name) return parse_json(text, JsonLimits{}, name);
  }
  ADD_FAILURE() << "no " << name;
  return {};
}

const PlannedModule* find_module(const FolderPlan& plan, const std::string& name) {
  for (const PlannedModule& planned : plan.modules) {
    if (planned.module.name == name) return &planned;
  }
  return nullptr;
}

bool has_tensor(const FolderPlan& plan, const std::string& name) {
  return std::any_of(plan.tensors.begin(), plan.tensors.end(),
                     [&](const SafetensorsTensor& tensor) { return tensor.name == name; });
}

std::vector<std::string> strings(const JsonValue* array) {
  std::vector<std::string> out;
  for (const JsonValue& value : *array->as_array()) out.push_back(*value.as_string());
  return out;
}

TEST(FolderPlan, replaces_matrices_of_layers_and_copies_all_else) {
  const Opened opened("llama");
  const FolderPlan plan = opened.plan(as("GPTQ"));
  const GgufModel model = open_model(opened.folder(), ModelOptions{});
  std::size_t matrices = 0;
  for (const TensorInfo& tensor : model.source->tensors()) {
    const bool quantized = tensor.name.find("_proj.weight") != std::string::npos;
    if (quantized) ++matrices;
    EXPECT_EQ(has_tensor(plan, tensor.name), !quantized) << tensor.name;
  }
  EXPECT_EQ(plan.modules.size(), matrices);
  const std::string down = "model.layers.0.mlp.down_proj";
  ASSERT_NE(find_module(plan, down), nullptr);
  EXPECT_EQ(find_module(plan, down)->module.tensor, "blk.0.ffn_down.weight");
  for (const char* part : {".qweight", ".qzeros", ".scales", ".g_idx"})
    EXPECT_TRUE(has_tensor(plan, down + part));
  const JsonValue config = config_of(plan);
  EXPECT_EQ(*config.find("model_type")->as_string(), "llama");
  const JsonValue& said = *config.find("quantization_config");
  EXPECT_EQ(said, config_of(plan, "quantize_config.json"));
  EXPECT_EQ(*said.find("quant_method")->as_string(), "gptq");
  EXPECT_EQ(*said.find("bits")->as_uint(), 4u);
  EXPECT_EQ(*said.find("group_size")->as_int(), 128);
  EXPECT_EQ(said.find("sym")->as_bool(), true);
  EXPECT_EQ(said.find("desc_act")->as_bool(), false);
  for (const auto& [name, path] : plan.side_files) EXPECT_FALSE(name.ends_with(".safetensors"));
  EXPECT_TRUE(std::any_of(plan.side_files.begin(), plan.side_files.end(),
                          [](const auto& file) { return file.first == "tokenizer.model"; }));
}

TEST(FolderPlan, experts_are_modules_and_routers_are_not) {
  const Opened opened("qwen3-moe");
  const FolderPlan plan = opened.plan(as("W4A16"));
  const PlannedModule* expert = find_module(plan, "model.layers.1.mlp.experts.3.up_proj");
  ASSERT_NE(expert, nullptr);
  EXPECT_EQ(expert->module.tensor, "blk.1.ffn_up_exps.weight");
  EXPECT_EQ(expert->module.expert, 3u);
  EXPECT_EQ(find_module(plan, "model.layers.1.mlp.gate"), nullptr);
  const auto ignored = strings(config_of(plan).find("quantization_config")->find("ignore"));
  EXPECT_NE(std::find(ignored.begin(), ignored.end(), "model.layers.1.mlp.gate"), ignored.end());
  EXPECT_NE(std::find(ignored.begin(), ignored.end(), "lm_head"), ignored.end());
  const JsonValue gptq = *config_of(opened.plan(as("GPTQ"))).find("quantization_config");
  EXPECT_NE(gptq.find("dynamic")->find("-:^model\\.layers\\.\\d+\\.mlp\\.gate$"), nullptr) << to_json(gptq);
}

TEST(FolderPlan, rules_change_or_keep_modules) {
  const Opened opened("llama");
  const FolderPlan plan = opened.plan(
      as("W4A16", {R"(layers\.0\.mlp\.down_proj=keep)", "down_proj=8,group:-1", "o_proj = asym , group:64"}));
  EXPECT_EQ(find_module(plan, "model.layers.0.mlp.down_proj"), nullptr);
  EXPECT_TRUE(has_tensor(plan, "model.layers.0.mlp.down_proj.weight"));
  const IntegerScheme& down = find_module(plan, "model.layers.1.mlp.down_proj")->scheme;
  EXPECT_EQ(down.bits, 8u);
  EXPECT_EQ(down.group_size, 0u);
  const IntegerScheme& out = find_module(plan, "model.layers.0.self_attn.o_proj")->scheme;
  EXPECT_EQ(out.group_size, 64u);
  EXPECT_FALSE(out.symmetric);
  EXPECT_TRUE(has_tensor(plan, "model.layers.0.self_attn.o_proj.weight_zero_point"));
  const JsonValue said = *config_of(plan).find("quantization_config");
  EXPECT_EQ(said.find("config_groups")->as_object()->size(), 3u);
  expect_error(ErrorKind::usage, "matches no module", [&] { opened.plan(as("GPTQ", {"no_such=8"})); });
  expect_error(ErrorKind::usage, "can only keep", [&] { opened.plan(as("AWQ", {"o_proj=4,group:64"})); });
}

TEST(FolderPlan, parts_that_are_one_matrix_in_vllm_must_be_alike) {
  const Opened opened("llama");
  EXPECT_TRUE(opened.plan(as("GPTQ", {"down_proj=8"})).warnings.empty());
  for (const char* rule : {"q_proj=8", "gate_proj=keep"}) {
    const FolderPlan plan = opened.plan(as("GPTQ", {rule}));
    ASSERT_EQ(plan.warnings.size(), 1u);
    EXPECT_NE(plan.warnings.front().find("vLLM"), std::string::npos);
  }
}

TEST(FolderPlan, options_that_a_format_has_not_are_refused) {
  const Opened opened("llama");
  const auto refuse = [&](const char* type, const char* piece, auto change) {
    FolderOptions options = as(type);
    change(options);
    expect_error(ErrorKind::usage, piece, [&] { opened.plan(options); });
  };
  refuse("GPTQ", "no weights of 5 bits", [](FolderOptions& options) { options.bits = 5; });
  refuse("AWQ", "no weights of 8 bits", [](FolderOptions& options) { options.bits = 8; });
  refuse("W4A16", "no weights of 9 bits", [](FolderOptions& options) { options.bits = 9; });
  refuse("GPTQ", "groups of 100", [](FolderOptions& options) { options.group_size = 100; });
  refuse("W4A16", "--desc-act", [](FolderOptions& options) { options.activation_order = true; });
  refuse("GPTQ", "--desc-act", [](FolderOptions& options) {
    options.activation_order = true;
    options.group_size = 0;
  });
}

TEST(FolderPlan, zero_points_decide_about_the_form_of_gptq) {
  const Opened opened("llama");
  const auto form = [&](const FolderOptions& options) {
    return *config_of(opened.plan(options))
                .find("quantization_config")
                ->find("checkpoint_format")
                ->as_string();
  };
  FolderOptions options = as("GPTQ");
  EXPECT_EQ(form(options), "gptq");
  options.plain_zeros = true;
  EXPECT_EQ(form(options), "gptq_v2");
  options.plain_zeros = false;
  options.symmetric = false;
  EXPECT_EQ(form(options), "gptq_v2");
}

TEST(FolderPlan, groups_that_do_not_divide_are_refused_with_what_does) {
  FolderOptions options = as("GPTQ");
  options.group_size = 1024;
  expect_error(ErrorKind::input_invalid, "--group-size", [&] { Opened("llama").plan(options); });
}

TEST(FolderPlan, heads_are_quantized_when_they_are_there) {
  FolderOptions options = as("W8A16");
  options.quantizes_head = true;
  expect_error(ErrorKind::usage, "is its embedding", [&] { Opened("qwen3").plan(options); });
  const FolderPlan plan = Opened("llama").plan(options);
  EXPECT_TRUE(has_tensor(plan, "lm_head.weight_packed"));
  const auto ignored = strings(config_of(plan).find("quantization_config")->find("ignore"));
  EXPECT_TRUE(ignored.empty());
}

TEST(FolderPlan, shards_have_an_index) {
  FolderOptions options = as("W4A16");
  options.split_max_bytes = 200000;
  const FolderPlan plan = Opened("llama").plan(options);
  EXPECT_GT(plan.files.files.size(), 1u);
  EXPECT_NE(config_of(plan, kSafetensorsIndexName).find("weight_map"), nullptr);
}

TEST(FolderPlan, models_that_are_quantized_already_are_refused) {
  const Opened opened("llama");
  JsonValue config = parse_json_file(opened.folder() / "config.json", JsonLimits{});
  const GgufModel model = open_model(opened.folder(), ModelOptions{});
  config.set("quantization_config", JsonObject{{"quant_method", "gptq"}});
  test::write_file(opened.folder() / "config.json", to_json(config));
  expect_error(ErrorKind::input_invalid, "quantized already",
               [&] { make_folder_plan(model, ModelOptions{}, as("GPTQ")); });
}

TEST(FolderPlan, files_are_no_folders) {
  const Opened opened("llama");
  GgufModel model = open_model(opened.folder(), ModelOptions{});
  model.from_gguf = true;
  expect_error(ErrorKind::input_invalid, "a model's folder",
               [&] { make_folder_plan(model, ModelOptions{}, as("GPTQ")); });
}

/// Every architecture either has modules of which every one has a shape that its tensor's inputs fit, or
/// matrices that are refused by name. The layers of encoders beside decoders are none of them.
TEST(FolderPlan, knows_the_modules_of_every_architecture) {
  std::size_t with_modules = 0;
  for (const std::string& name : test::arch_data_names("expected-bf16.json")) {
    if (name.find("t5") != std::string::npos) continue;
    SCOPED_TRACE(name);
    const test::ScratchFolder scratch;
    const GgufModel model =
        open_model(test::write_checkpoint(test::arch_data_folder() / name, scratch.path()), ModelOptions{});
    const LinearModules modules = find_linear_modules(model);
    EXPECT_FALSE(modules.found.empty() && modules.unfit.empty());
    if (modules.unfit.empty()) ++with_modules;
    for (const LinearModule& module : modules.found) {
      const auto tensor = std::find_if(model.tensors.begin(), model.tensors.end(),
                                       [&](const ModelTensor& each) { return each.name == module.tensor; });
      ASSERT_NE(tensor, model.tensors.end());
      EXPECT_EQ(tensor->expr->shape().cols(), module.cols());
    }
  }
  EXPECT_GT(with_modules, 60u);
}

TEST(ModuleRules, are_read_from_text) {
  const ModuleRule rule = parse_module_rule(" a=b = bits:3 , group:-1,ASYM");
  EXPECT_EQ(rule.pattern.pattern(), "a=b");
  EXPECT_EQ(rule.bits, 3u);
  EXPECT_EQ(rule.group_size, 0u);
  EXPECT_EQ(rule.symmetric, false);
  EXPECT_TRUE(parse_module_rule("x=keep").keep);
  for (const char* wrong : {"x", "x=", "x=Q4_K", "x=4,,sym", "x=group:", "x=-4"}) {
    expect_error(ErrorKind::usage, "'", [&] { parse_module_rule(wrong); });
  }
  const test::ScratchFolder scratch;
  const fs::path file = scratch.add("rules", "# all\n\n a = 8  # why\nb#c = keep\nc = five\n");
  expect_error(ErrorKind::usage, "rules:5", [&] { read_module_rules(file); });
}

}  // namespace
}  // namespace qtz
