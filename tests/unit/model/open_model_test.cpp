// What open_model makes of inputs other than a whole, healthy folder of a known architecture.
#include "qtz/model/gguf_model.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <functional>

#include "qtz/core/json.h"
#include "qtz/formats/gguf.h"
#include "qtz/model/arch_spec.h"
#include "support/arch_checkpoint.h"
#include "support/expect_error.h"
#include "unit/model/weights_writer.h"

namespace qtz {
namespace {

using test::expect_error;

/// A folder with the llama (or another) checkpoint to spoil.
class OpenModel : public testing::Test {
 protected:
  std::filesystem::path checkpoint(const std::string& name = "llama") {
    const auto folder = scratch_.path() / name;
    if (std::filesystem::exists(folder)) return folder;
    return test::write_checkpoint(test::arch_data_folder() / name, scratch_.path());
  }

  /// Rewrites config.json of the checkpoint.
  void edit_config(const std::string& name, const std::function<void(JsonValue&)>& edit) {
    const auto path = checkpoint(name) / "config.json";
    JsonValue config = parse_json_file(test::arch_data_folder() / name / "config.json", JsonLimits{});
    edit(config);
    test::write_file(path, to_json(config));
  }

  /// Writes the checkpoint's weights again, tensor names changed by `rename`; empty names are left out.
  void edit_tensors(const std::string& name, const std::function<std::string(const std::string&)>& rename) {
    const auto reference = test::arch_data_folder() / name;
    test::WeightsWriter writer;
    const JsonValue tensors = parse_json_file(reference / "tensors.json", JsonLimits{});
    for (const JsonValue& tensor : *tensors.as_array()) {
      const std::string renamed = rename(*tensor.find("name")->as_string());
      if (renamed.empty()) continue;
      std::vector<std::uint64_t> shape;
      std::uint64_t count = 1;
      for (const JsonValue& dim : *tensor.find("shape")->as_array()) {
        shape.push_back(*dim.as_uint());
        count *= shape.back();
      }
      writer.add(renamed, "BF16", shape, std::vector<std::uint16_t>(count));
    }
    test::write_file(checkpoint(name) / "model.safetensors", writer.bytes());
  }

  GgufModel open(const std::string& name = "llama", const ModelOptions& options = {}) {
    return open_model(checkpoint(name), options);
  }

  void expect_refused(const std::string& piece, const std::string& name = "llama",
                      const ModelOptions& options = {}) {
    expect_error(ErrorKind::input_invalid, piece, [&] { open(name, options); });
  }

  test::ScratchFolder scratch_;
};

const ModelTensor* find(const GgufModel& model, std::string_view name) {
  for (const ModelTensor& tensor : model.tensors) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

bool mentions(const std::vector<std::string>& lines, std::string_view piece) {
  return std::any_of(lines.begin(), lines.end(),
                     [&](const std::string& line) { return line.find(piece) != std::string::npos; });
}

struct BadConfig {
  const char* title;
  const char* key;
  const char* value;  ///< JSON; empty removes the key
  const char* message;
};
void PrintTo(const BadConfig& bad, std::ostream* out) {
  *out << bad.title;
}

class BadConfigs : public OpenModel, public testing::WithParamInterface<BadConfig> {};

TEST_P(BadConfigs, are_refused_naming_file_and_key) {
  const BadConfig& bad = GetParam();
  edit_config("llama", [&](JsonValue& config) {
    JsonValue kept = JsonObject{};
    for (const auto& [key, value] : *config.as_object()) {
      if (key != bad.key) kept.set(key, value);
    }
    config = kept;
    if (*bad.value != 0) config.set(bad.key, parse_json(bad.value, JsonLimits{}, "test"));
  });
  expect_refused(bad.message);
  expect_refused(std::string(bad.message).find("tensor") != std::string::npos ? "tensor" : "config.json");
}

const BadConfig kBadConfigs[] = {
    {"no_class", "architectures", "", "no class is named in 'architectures'"},
    {"empty_classes", "architectures", "[]", "no class is named in 'architectures'"},
    {"class_is_a_number", "architectures", "[7]", "'architectures' is not a list of class names"},
    {"class_is_a_text", "architectures", "\"LlamaForCausalLM\"", "is not a list of class names"},
    {"unknown_class", "architectures", "[\"LlamaForCausalML\"]",
     "unknown architecture 'LlamaForCausalML' (nearest known: LlamaForCausalLM)"},
    {"layers_missing", "num_hidden_layers", "", "'num_hidden_layers' is missing"},
    {"layers_zero", "num_hidden_layers", "0", "'num_hidden_layers' is 0"},
    {"layers_negative", "num_hidden_layers", "-1", "'num_hidden_layers' is not a whole number"},
    {"layers_huge", "num_hidden_layers", "2147483648", "'num_hidden_layers' is not a whole number"},
    {"layers_many", "num_hidden_layers", "2147483647", "'num_hidden_layers' is 2147483647"},
    {"layers_float", "num_hidden_layers", "2.5", "'num_hidden_layers' is not a whole number"},
    {"layers_text", "num_hidden_layers", "\"2\"", "'num_hidden_layers' is not a whole number"},
    {"layers_too_few", "num_hidden_layers", "1", "'num_hidden_layers' is 1, but the weights have a layer 1"},
    {"layers_too_many", "num_hidden_layers", "3", "tensors are missing: 'model.layers.2."},
    {"heads_zero", "num_attention_heads", "0", "'num_attention_heads' is 0"},
    {"kv_heads_zero", "num_key_value_heads", "0", "'num_key_value_heads' is 0"},
    {"kv_heads_more", "num_key_value_heads", "8", "'num_key_value_heads' is 8, which does not divide the 4"},
    {"kv_heads_uneven", "num_key_value_heads", "3",
     "'num_key_value_heads' is 3, which does not divide the 4"},
    {"head_dim_zero", "head_dim", "0", "'head_dim' is 0"},
    {"head_dim_odd", "head_dim", "63", "'head_dim' is odd (63)"},
    {"hidden_zero", "hidden_size", "0", "'hidden_size' is 0"},
    {"epsilon_text", "rms_norm_eps", "\"small\"", "'rms_norm_eps' is not a number"},
    {"rope_list", "rope_parameters", "[]", "'rope_parameters' is not an object"},
    {"rope_base_text", "rope_parameters", R"({"rope_theta": "10000"})",
     "'rope_parameters.rope_theta' is not"},
    {"yarn_without_context", "rope_parameters", R"({"rope_type": "yarn", "factor": 4.0})",
     "'rope_parameters.original_max_position_embeddings' is missing"},
    {"quantized", "quantization_config", R"({"quant_method": "hqq", "bits": 4})",
     "'quantization_config': the weights are quantized with 'hqq', which qtz cannot read"},
};
INSTANTIATE_TEST_SUITE_P(Table, BadConfigs, testing::ValuesIn(kBadConfigs),
                         [](const testing::TestParamInfo<BadConfig>& row) { return row.param.title; });

TEST_F(OpenModel, bitnet_has_the_activation_that_llama_cpp_computes) {
  edit_config("bitnet", [](JsonValue& config) { config.set("hidden_act", "relu2"); });
  expect_refused("'hidden_act' 'relu2' is not what llama.cpp computes", "bitnet");
}

TEST_F(OpenModel, heads_that_do_not_divide_the_hidden_size_are_refused) {
  edit_config("llama", [](JsonValue& config) {
    config.set("num_attention_heads", 3);
    config.set("num_key_value_heads", 3);
    config.set("head_dim", nullptr);
  });
  expect_refused("'num_attention_heads' is 3, which does not divide the hidden size 256");
}

TEST_F(OpenModel, rows_that_do_not_divide_into_heads_are_refused_naming_the_tensor) {
  edit_config("llama", [](JsonValue& config) {
    config.set("num_attention_heads", 48);
    config.set("num_key_value_heads", 48);
  });
  expect_refused("tensor 'model.layers.0.self_attn.q_proj.weight' [256, 256] does not divide into 48 heads");
}

TEST_F(OpenModel, a_config_that_is_not_an_object_or_not_json_is_refused) {
  test::write_file(checkpoint() / "config.json", "[1]");
  expect_refused("is a JSON array, not an object");
  test::write_file(checkpoint() / "config.json", "{\"a\": ");
  expect_refused("config.json");
  test::write_file(checkpoint() / "config.json", "version https://git-lfs.github.com/spec/v1\n");
  expect_refused("config.json is a Git LFS pointer");
}

TEST_F(OpenModel, infinities_that_python_writes_are_read_as_null_with_a_warning) {
  const auto path = checkpoint() / "config.json";
  std::string text = test::read_file(path);
  text.insert(text.find('{') + 1,
              R"("time_step_limit": [0.0, Infinity, -Infinity, NaN], "note": "a \"NaN",)");
  test::write_file(path, text);
  EXPECT_TRUE(mentions(open().warnings, "holds NaN or Infinity"));
}

TEST_F(OpenModel, an_unknown_class_says_how_to_name_the_architecture) {
  edit_config("llama",
              [](JsonValue& config) { config.set("architectures", JsonArray{"StrangeForCausalLM"}); });
  expect_refused("--arch");
  ModelOptions options;
  options.architecture = "LlamaForCausalLM";
  EXPECT_EQ(open("llama", options).architecture, "llama");
  options.architecture = "qwen2";
  EXPECT_EQ(open("llama", options).architecture, "qwen2");
  options.architecture = "strange";
  expect_refused("--arch: unknown architecture 'strange'", "llama", options);
}

TEST_F(OpenModel, an_architecture_that_overrides_a_known_class_is_warned_of) {
  ModelOptions options;
  options.architecture = "mistral3";
  const std::string overrides = "--arch mistral3 overrides " + (checkpoint() / "config.json").native() +
                                ", whose class LlamaForCausalLM is of llama";
  EXPECT_TRUE(mentions(open("llama", options).warnings, overrides));
  // As open_model forgives what Python writes.
  test::write_file(checkpoint() / "config.json",
                   R"({"rope_scale": NaN, )" + test::read_file(checkpoint() / "config.json").substr(1));
  EXPECT_TRUE(mentions(open("llama", options).warnings, overrides));
  options.architecture = "MistralForCausalLM";
  EXPECT_FALSE(mentions(open("llama", options).warnings, "overrides"));
}

TEST_F(OpenModel, a_leftover_tensor_is_never_dropped_silently) {
  edit_tensors("llama", [](const std::string& name) {
    return name == "model.layers.1.mlp.up_proj.weight" ? std::string("model.layers.1.mlp.extra.weight")
                                                       : name;
  });
  expect_refused(
      "1 of 21 tensors have no place in the architecture 'llama': 'model.layers.1.mlp.extra.weight'");
}

TEST_F(OpenModel, missing_tensors_are_named) {
  edit_tensors("llama", [](const std::string& name) {
    return name.find("1.self_attn.k_proj") != std::string::npos || name == "model.norm.weight" ? std::string()
                                                                                               : name;
  });
  expect_refused("tensors are missing: 'model.layers.1.self_attn.k_proj.weight', 'model.norm.weight'");
}

TEST_F(OpenModel, a_layer_without_any_mlp_is_incomplete) {
  edit_tensors("llama", [](const std::string& name) {
    return name.find("0.mlp.") != std::string::npos ? std::string() : name;
  });
  expect_refused("'model.layers.0.mlp.gate_proj.weight'");
}

TEST_F(OpenModel, missing_and_surplus_experts_are_named_with_their_layer) {
  edit_tensors("qwen3-moe", [](const std::string& name) {
    return name == "model.layers.1.mlp.experts.2.up_proj.weight" ? std::string() : name;
  });
  expect_refused("layer 1 lacks experts 2 of 'model.layers.{L}.mlp.experts.{E}.up_proj.weight'", "qwen3-moe");
  edit_tensors("mixtral", [](const std::string& name) { return name; });
  edit_config("mixtral", [](JsonValue& config) { config.set("num_local_experts", 8); });
  expect_refused("layer 0 lacks experts 4-7", "mixtral");
  edit_config("mixtral", [](JsonValue& config) { config.set("num_local_experts", 3); });
  expect_refused("layer 0 has an expert 3", "mixtral");
  edit_config("mixtral", [](JsonValue& config) {
    config.set("num_local_experts", 4);
    config.set("num_experts_per_tok", 5);
  });
  expect_refused("'num_experts_per_tok' is 5 of 4 experts", "mixtral");
}

TEST_F(OpenModel, an_absurd_expert_number_costs_nothing) {
  edit_tensors("qwen3-moe", [](const std::string& name) {
    return name == "model.layers.0.mlp.experts.0.up_proj.weight"
               ? std::string("model.layers.0.mlp.experts.999999999.up_proj.weight")
               : name;
  });
  expect_refused("layer 0 has an expert 999999999", "qwen3-moe");
}

TEST_F(OpenModel, constants_that_checkpoints_carry_are_skipped_with_a_reason) {
  test::WeightsWriter writer;
  const auto reference = test::arch_data_folder() / "gpt2";
  const JsonValue tensors = parse_json_file(reference / "tensors.json", JsonLimits{});
  for (const JsonValue& tensor : *tensors.as_array()) {
    std::vector<std::uint64_t> shape;
    std::uint64_t count = 1;
    for (const JsonValue& dim : *tensor.find("shape")->as_array())
      count *= shape.emplace_back(*dim.as_uint());
    // The published files leave the prefix out.
    const std::string name = tensor.find("name")->as_string()->substr(std::string("transformer.").size());
    writer.add(name, "F32", shape, std::vector<float>(count));
  }
  writer.add("h.0.attn.bias", "F32", {1, 1, 4, 4}, std::vector<float>(16));
  test::write_file(checkpoint("gpt2") / "model.safetensors", writer.bytes());
  const GgufModel model = open("gpt2");
  EXPECT_EQ(model.skipped, std::vector<std::string>{"h.0.attn.bias: causal mask, a constant"});
  ASSERT_NE(find(model, "blk.1.ffn_down.weight"), nullptr);
  EXPECT_EQ(find(model, "blk.1.ffn_down.weight")->unquantized, DType::f16) << "F32 weights become F16";
  EXPECT_EQ(find(model, "blk.1.ffn_down.weight")->expr->shape(), (Shape{256, 1024}));
  EXPECT_EQ(find(model, "position_embd.weight")->unquantized, DType::f32);
}

TEST_F(OpenModel, an_output_that_stands_in_for_a_tied_embedding_becomes_the_embedding) {
  edit_config("llama", [](JsonValue& config) { config.set("tie_word_embeddings", true); });
  edit_tensors("llama", [](const std::string& name) {
    return name == "model.embed_tokens.weight" ? std::string() : name;
  });
  const GgufModel model = open();
  EXPECT_NE(find(model, "token_embd.weight"), nullptr);
  EXPECT_EQ(find(model, "output.weight"), nullptr);
  edit_config("llama", [](JsonValue& config) { config.set("tie_word_embeddings", false); });
  expect_refused("'model.embed_tokens.weight'");
}

TEST_F(OpenModel, the_embedding_decides_the_vocabulary_size) {
  edit_config("llama", [](JsonValue& config) { config.set("vocab_size", 2000); });
  const GgufModel model = open();
  EXPECT_EQ(*model.metadata.find("llama.vocab_size"), GgufValue(std::uint32_t{2048}));
  EXPECT_TRUE(mentions(model.warnings, "'vocab_size' is 2000, but the embedding has 2048 rows"));
}

TEST_F(OpenModel, configurations_of_transformers_4_say_the_same) {
  const GgufModel expected = open("llama3");
  edit_config("llama3", [](JsonValue& config) {
    JsonValue rope = *config.find("rope_parameters");
    config.set("rope_theta", *rope.find("rope_theta"));
    rope.set("rope_theta", nullptr);
    JsonObject scaling;
    for (const auto& [key, value] : *rope.as_object()) {
      if (key != "rope_theta") scaling.emplace_back(key, value);
    }
    config.set("rope_scaling", scaling);
    config.set("rope_parameters", nullptr);
    config.set("head_dim", nullptr);
  });
  EXPECT_EQ(open("llama3").metadata.entries(), expected.metadata.entries());
}

TEST_F(OpenModel, an_unknown_rope_type_is_a_warning) {
  edit_config("llama", [](JsonValue& config) {
    config.set("rope_parameters", JsonObject{{"rope_type", "spiral"}, {"rope_theta", 10000.0}});
  });
  EXPECT_TRUE(mentions(open().warnings, "unknown rope type 'spiral'"));
}

TEST_F(OpenModel, the_language_part_of_a_larger_model_is_found_and_the_rest_is_named) {
  edit_config("ministral3", [](JsonValue& config) {
    JsonValue whole = JsonObject{{"architectures", JsonArray{"Mistral3ForConditionalGeneration"}}};
    config.set("architectures", nullptr);
    whole.set("text_config", config);
    config = whole;
  });
  const auto reference = test::arch_data_folder() / "ministral3";
  test::WeightsWriter writer;
  const JsonValue tensors = parse_json_file(reference / "tensors.json", JsonLimits{});
  for (const JsonValue& tensor : *tensors.as_array()) {
    std::vector<std::uint64_t> shape;
    std::uint64_t count = 1;
    for (const JsonValue& dim : *tensor.find("shape")->as_array())
      count *= shape.emplace_back(*dim.as_uint());
    writer.add("language_model." + *tensor.find("name")->as_string(), "BF16", shape,
               std::vector<std::uint16_t>(count));
  }
  writer.add("vision_tower.patch_conv.weight", "BF16", {2, 2}, std::vector<std::uint16_t>(4));
  test::write_file(checkpoint("ministral3") / "model.safetensors", writer.bytes());
  const GgufModel model = open("ministral3");
  EXPECT_EQ(model.architecture, "mistral3");
  EXPECT_EQ(model.tensors.size(), 21U);
  EXPECT_TRUE(mentions(model.skipped, "1 tensor under 'vision_tower.': the vision or audio part"));
}

TEST_F(OpenModel, tensors_come_in_llama_cpps_order) {
  const GgufModel model = open();
  std::vector<std::string> names;
  for (const ModelTensor& tensor : model.tensors) names.push_back(tensor.name);
  ASSERT_EQ(names.size(), 21U);
  EXPECT_EQ(names[0], "output.weight");
  EXPECT_EQ(names[1], "output_norm.weight");
  EXPECT_EQ(names[2], "token_embd.weight");
  EXPECT_EQ(names[3], "blk.0.attn_k.weight");
  EXPECT_EQ(names[12], "blk.1.attn_k.weight");
}

TEST_F(OpenModel, weights_without_a_configuration_make_a_generic_gguf) {
  test::WeightsWriter writer;
  writer.add_counting("b.weight", {2, 3})
      .add_counting("a", {4})
      .add("n", "I32", {2}, std::vector<std::int32_t>{1, 2});
  writer.add("scalar", "F16", {}, std::vector<std::uint16_t>{0});
  const auto path = scratch_.add("unet-small.safetensors", writer.bytes());
  const GgufModel model = open_model(path, {});
  EXPECT_TRUE(model.generic);
  EXPECT_EQ(model.metadata.find("general.architecture"), nullptr);
  EXPECT_EQ(*model.metadata.find("general.name"), GgufValue("Unet Small"));
  ASSERT_EQ(model.tensors.size(), 4U);
  EXPECT_EQ(model.tensors[0].name, "a");
  EXPECT_EQ(model.tensors[1].name, "b.weight");
  EXPECT_EQ(model.tensors[1].unquantized, DType::f32);
  EXPECT_EQ(model.tensors[3].expr->shape(), Shape{1});
  EXPECT_TRUE(mentions(model.notes, "generic GGUF"));
  ModelOptions options;
  options.architecture = "unet";
  EXPECT_EQ(*open_model(path, options).metadata.find("general.architecture"), GgufValue("unet"));
  options.tokenizer_pre = "qwen2";
  expect_error(ErrorKind::usage, "--tokenizer-pre qwen2: bare weights without a config.json",
               [&] { open_model(path, options); });
}

TEST_F(OpenModel, what_gguf_cannot_hold_is_refused_by_name) {
  const auto refuse = [&](const test::WeightsWriter& writer, const std::string& piece) {
    const auto path = scratch_.add("x.safetensors", writer.bytes());
    expect_error(ErrorKind::input_invalid, piece, [&] { open_model(path, {}); });
  };
  refuse(test::WeightsWriter().add_counting(std::string(64, 'n'), {1}), "x.safetensors: tensor 'nnnn");
  refuse(test::WeightsWriter().add_counting(std::string(64, 'n'), {1}), "has a name of 64 bytes");
  refuse(test::WeightsWriter().add_counting(std::string("a\0b", 3), {1}), "has a NUL byte in its name");
  refuse(test::WeightsWriter().add_counting("five", {1, 1, 1, 1, 1}), "tensor 'five' has 5 dimensions");
  refuse(test::WeightsWriter().add("f", "F8_E4M3", {1}, std::vector<std::uint8_t>{0}),
         "has type F8_E4M3, which GGUF does not have | codes of quantized weights");
  refuse(test::WeightsWriter().add("m", "BOOL", {1}, std::vector<std::uint8_t>{0}),
         "has type BOOL, which GGUF does not have | use the model's weights in F16, BF16 or F32");
}

TEST_F(OpenModel, generic_weights_keep_their_doubles) {
  test::WeightsWriter writer;
  writer.add("v", "F64", {2}, std::vector<double>{0.1, 1e300});
  const GgufModel model = open_model(scratch_.add("x.safetensors", writer.bytes()), {});
  ASSERT_EQ(model.tensors.size(), 1U);
  EXPECT_EQ(model.tensors[0].expr->dtype(), DType::f64);
  EXPECT_EQ(model.tensors[0].unquantized, DType::f64);
}

TEST_F(OpenModel, doubles_of_a_folder_become_f32_and_are_mentioned) {
  const auto reference = test::arch_data_folder() / "llama";
  test::WeightsWriter writer;
  const JsonValue tensors = parse_json_file(reference / "tensors.json", JsonLimits{});
  for (const JsonValue& tensor : *tensors.as_array()) {
    std::vector<std::uint64_t> shape;
    std::uint64_t count = 1;
    for (const JsonValue& dim : *tensor.find("shape")->as_array())
      count *= shape.emplace_back(*dim.as_uint());
    writer.add(*tensor.find("name")->as_string(), "F64", shape, std::vector<double>(count));
  }
  EXPECT_FALSE(mentions(open().notes, "F64"));
  test::write_file(checkpoint() / "model.safetensors", writer.bytes());
  const GgufModel model = open();
  EXPECT_TRUE(mentions(model.notes, "21 tensors are stored as F64 and read as F32"));
  EXPECT_EQ(find(model, "output_norm.weight")->expr->dtype(), DType::f32);
}

TEST_F(OpenModel, a_reranker_is_warned_of) {
  constexpr std::string_view kWarning = "calls this a Qwen3 reranker; it is made as a plain language model";
  EXPECT_FALSE(mentions(open("qwen3").warnings, "reranker"));
  edit_config("qwen3", [](JsonValue& config) { config.set("_name_or_path", "Qwen/Qwen3-Reranker-0.6B"); });
  EXPECT_TRUE(mentions(open("qwen3").warnings, "config.json's '_name_or_path' " + std::string(kWarning)));
  edit_config("qwen3", [](JsonValue&) {});
  test::write_file(checkpoint("qwen3") / "README.md", "# About\nBase of qwen3-reranker.\n");
  EXPECT_FALSE(mentions(open("qwen3").warnings, "reranker"));
  test::write_file(checkpoint("qwen3") / "README.md", "---\nlicense: mit\n---\n# Qwen3-Reranker-0.6B\n");
  EXPECT_TRUE(mentions(open("qwen3").warnings, "README.md " + std::string(kWarning)));
  const auto renamed = scratch_.path() / "My-Qwen3-Reranker";
  std::filesystem::rename(checkpoint("qwen3"), renamed);
  EXPECT_TRUE(mentions(open_model(renamed, {}).warnings, "the folder's name " + std::string(kWarning)));
}

TEST_F(OpenModel, a_configuration_of_more_than_eight_mebibytes_is_refused) {
  const auto path = checkpoint() / "config.json";
  std::filesystem::resize_file(path, (8u << 20) + 1);
  expect_refused("at most 8.39 MB are read");
}

TEST_F(OpenModel, a_tensor_and_its_wrapped_twin_are_the_same_part) {
  edit_tensors("llama", [](const std::string& name) {
    return name == "model.layers.1.mlp.up_proj.weight"
               ? "language_language_model.model.model.layers.0.mlp.up_proj.weight"
               : name;
  });
  expect_refused(
      "tensors 'model.layers.0.mlp.up_proj.weight' and "
      "'language_language_model.model.model.layers.0.mlp.up_proj.weight' are the same part of the model");
}

TEST_F(OpenModel, the_text_part_wins_over_the_whole) {
  edit_config("llama", [](JsonValue& config) {
    JsonObject text;
    for (int i = 0; i < 1000; ++i) text.emplace_back("filler_" + std::to_string(i), i);
    text.emplace_back("num_hidden_layers", *config.find("num_hidden_layers"));
    config.set("num_hidden_layers", 77);
    config.set("text_config", std::move(text));
  });
  EXPECT_EQ(*open().metadata.find("llama.block_count"), GgufValue(std::uint32_t{2}));
}

TEST_F(OpenModel, diffusers_folders_are_generic) {
  scratch_.add("pipe/config.json", R"({"_class_name": "UNet2DConditionModel"})");
  scratch_.add("pipe/model.safetensors", test::WeightsWriter().add_counting("w", {2, 2}).bytes());
  EXPECT_TRUE(open_model(scratch_.path() / "pipe", {}).generic);
}

TEST_F(OpenModel, an_adapter_is_not_a_model) {
  scratch_.add("lora/adapter_config.json", "{}");
  scratch_.add("lora/model.safetensors", test::WeightsWriter().add_counting("w", {2, 2}).bytes());
  expect_error(ErrorKind::input_invalid, "LoRA adapter", [&] { open_model(scratch_.path() / "lora", {}); });
}

TEST_F(OpenModel, an_adapter_is_told_by_the_names_of_its_weights_too) {
  const std::string name = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight";
  scratch_.add("adapter.safetensors", test::WeightsWriter().add_counting(name, {2, 2}).bytes());
  expect_error(ErrorKind::input_invalid, "LoRA adapter",
               [&] { open_model(scratch_.path() / "adapter.safetensors", {}); });
}

TEST_F(OpenModel, a_config_that_cannot_be_read_is_not_taken_for_none) {
  const auto config = checkpoint() / "config.json";
  std::filesystem::remove(config);
  std::filesystem::create_symlink("nothing", config);
  expect_error(ErrorKind::input_missing, "config.json is a link to nothing", [&] { open(); });
  expect_error(ErrorKind::input_missing, "config.json is a link to nothing",
               [&] { open_model(checkpoint() / "model.safetensors", {}); });
  std::filesystem::remove(config);
  ASSERT_EQ(::mkfifo(config.c_str(), 0600), 0);
  expect_refused("config.json is not a regular file");
}

TEST_F(OpenModel, links_to_nothing_are_never_taken_for_absent_files) {
  for (const std::string name :
       {"hf_quant_config.json", "modules.json", "README.md", "generation_config.json"}) {
    const std::string model = name == "modules.json" ? "qwen2" : "llama";
    const auto path = checkpoint(model) / name;
    std::filesystem::remove(path);
    std::filesystem::create_symlink("nothing", path);
    expect_error(ErrorKind::input_missing, name + " is a link to nothing", [&] { open(model); });
    std::filesystem::remove(path);
  }
}

TEST_F(OpenModel, a_folder_that_lost_its_config_is_not_generic) {
  const auto folder = checkpoint();
  std::filesystem::remove(folder / "config.json");
  const auto refuse = [&](const std::string& sign) {
    expect_error(ErrorKind::input_missing,
                 "config.json is missing, but this is a language model (it has " + sign, [&] { open(); });
  };
  refuse("tokenizer.model)");
  std::filesystem::remove(folder / "tokenizer.model");
  refuse("tokenizer_config.json)");
  std::filesystem::remove(folder / "tokenizer_config.json");
  refuse("tensor 'model.layers.0.");
  EXPECT_TRUE(open_model(folder / "model.safetensors", {}).generic) << "the file was asked for";
  ModelOptions options;
  options.architecture = "llama";
  EXPECT_TRUE(open("llama", options).generic);
  edit_tensors("llama", [](const std::string& name) {
    return name.starts_with("model.") ? "net." + name.substr(6) : name;
  });
  EXPECT_TRUE(open().generic);
}

TEST_F(OpenModel, missing_inputs_are_said_to_be_missing) {
  expect_error(ErrorKind::input_missing, "no such file or folder",
               [&] { open_model(scratch_.path() / "nothing", {}); });
}

/// A GGUF with one tensor and one more key.
std::string small_gguf(const std::string& key, const GgufValue& value) {
  KvList metadata;
  metadata.set("general.architecture", "llama");
  metadata.set(key, value);
  const GgufTensor tensors[] = {{"token_embd.weight", DType::f16, Shape{3, 2}}};
  const GgufLayout layout = make_gguf_layout(metadata, tensors);
  std::string bytes(layout.file_bytes, '\0');
  std::copy(layout.header.begin(), layout.header.end(), reinterpret_cast<std::byte*>(bytes.data()));
  return bytes;
}

TEST_F(OpenModel, the_pre_tokenizer_of_a_gguf_must_be_one) {
  const auto open_with = [&](const char* kind, const char* pre) {
    ModelOptions options;
    options.tokenizer_pre = pre;
    return open_model(scratch_.add("x.gguf", small_gguf("tokenizer.ggml.model", kind)), options);
  };
  EXPECT_EQ(*open_with("gpt2", "qwen2").metadata.find("tokenizer.ggml.pre"), GgufValue("qwen2"));
  expect_error(ErrorKind::usage, "unknown pre-tokenizer 'nonsense'", [&] { open_with("gpt2", "nonsense"); });
  expect_error(ErrorKind::usage, "the GGUF's tokenizer is of kind 'llama'",
               [&] { open_with("llama", "qwen2"); });
  ModelOptions options;
  options.tokenizer_pre = "qwen2";
  const auto without = scratch_.add("y.gguf", small_gguf("general.name", "No tokenizer"));
  expect_error(ErrorKind::usage, "the GGUF's tokenizer is missing", [&] { open_model(without, options); });
}

TEST_F(OpenModel, tokens_of_a_gguf_that_share_a_text_are_warned_of) {
  const auto open_with = [&](std::vector<std::string> tokens) {
    return open_model(scratch_.add("x.gguf", small_gguf("tokenizer.ggml.tokens", std::move(tokens))), {});
  };
  EXPECT_TRUE(open_with({"b", "a", ""}).warnings.empty());
  const GgufModel model = open_with({"b", "b", "b"});
  EXPECT_EQ(model.metadata.find("tokenizer.ggml.tokens")->as_array()->size(), 3U);
  ASSERT_EQ(model.warnings.size(), 1U);
  EXPECT_TRUE(
      mentions(model.warnings, "tokenizer.ggml.tokens: 'b' is token 0 and token 1, and 1 more are repeated"));
}

TEST_F(OpenModel, tokens_without_a_row_of_the_embedding_are_warned_of) {
  const auto open_with = [&](std::vector<std::string> tokens) {
    return open_model(scratch_.add("x.gguf", small_gguf("tokenizer.ggml.tokens", std::move(tokens))), {});
  };
  EXPECT_TRUE(open_with({"a", "b", "c"}).warnings.empty());
  EXPECT_TRUE(mentions(open_with({"a"}).warnings, "has 1 tokens, but token_embd.weight 3 rows"));
}

TEST_F(OpenModel, arrays_that_do_not_fit_the_tokens_of_a_gguf_are_refused) {
  const auto refuse = [&](const char* key, GgufValue value, const std::string& problem) {
    const auto path = scratch_.add("x.gguf", small_gguf(key, std::move(value)));
    expect_error(ErrorKind::input_invalid, std::string("x.gguf: ") + key + problem,
                 [&] { open_model(path, {}); });
  };
  refuse("tokenizer.ggml.tokens", GgufValue(std::uint32_t{3}), " is not an array");
  refuse("tokenizer.ggml.tokens", GgufValue(std::vector<float>{1}), " is an array of f32, not of string");
  refuse("tokenizer.ggml.scores", GgufValue(std::vector<std::int32_t>{1}), " is an array of i32, not of f32");
  refuse("tokenizer.ggml.token_type", GgufValue(std::vector<float>{1}), " is an array of f32, not of i32");
}

TEST_F(OpenModel, a_gguf_is_carried_over) {
  KvList metadata;
  metadata.set("general.architecture", "llama");
  metadata.set("general.file_type", std::uint32_t{1});
  metadata.set("general.quantization_version", std::uint32_t{2});
  metadata.set("general.name", "Old");
  metadata.set("llama.block_count", std::uint32_t{1});
  const GgufTensor tensors[] = {{"blk.0.attn_norm.weight", DType::f32, Shape{2}},
                                {"token_embd.weight", DType::f16, Shape{3, 2}}};
  const GgufLayout layout = make_gguf_layout(metadata, tensors);
  std::string bytes(layout.file_bytes, '\0');
  std::copy(layout.header.begin(), layout.header.end(), reinterpret_cast<std::byte*>(bytes.data()));
  const auto path = scratch_.add("old.gguf", bytes);
  const GgufModel model = open_model(path, {});
  EXPECT_TRUE(model.from_gguf);
  EXPECT_EQ(model.architecture, "llama");
  EXPECT_EQ(model.metadata.entries().size(), 3U);
  EXPECT_EQ(model.metadata.find("general.file_type"), nullptr);
  ASSERT_EQ(model.tensors.size(), 2U);
  EXPECT_EQ(model.tensors[0].name, "token_embd.weight");
  EXPECT_EQ(model.tensors[0].expr->shape(), (Shape{3, 2}));
  EXPECT_EQ(model.tensors[0].unquantized, DType::f16);
  ModelOptions options;
  options.model_name = "New";
  EXPECT_EQ(*open_model(path, options).metadata.find("general.name"), GgufValue("New"));
  options.architecture = "qwen2";
  expect_error(ErrorKind::usage, "the GGUF says its architecture is 'llama'",
               [&] { open_model(path, options); });
}

}  // namespace
}  // namespace qtz
