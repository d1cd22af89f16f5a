// Folders that lack what the model needs, or have it in a form that no model has.
#include <algorithm>

#include "unit/model/spoiled_model.h"

namespace qtz {
namespace {

using test::SpoiledModel;
using test::WeightFacts;

class NeededParts : public SpoiledModel {
 protected:
  void lose(const std::string& model, const std::string& field) { set_config(model, field, nullptr); }
  void store_as(const std::string& model, const std::string& tensor, const std::string& dtype) {
    edit_weights(model, [&](WeightFacts& facts) {
      if (facts.name == tensor) facts.dtype = dtype;
    });
  }
  void store_without(const std::string& model, const std::string& tensor,
                     const std::vector<WeightFacts>& more = {}) {
    edit_weights(
        model,
        [&](WeightFacts& facts) {
          if (facts.name == tensor) facts.name.clear();
        },
        more);
  }
};

bool has_tensor(const GgufModel& model, std::string_view name) {
  return std::any_of(model.tensors.begin(), model.tensors.end(),
                     [&](const ModelTensor& tensor) { return tensor.name == name; });
}

TEST_F(NeededParts, sizes_that_llama_cpp_requires_are_asked_for) {
  lose("llama", "hidden_size");
  expect_refused("llama", "'hidden_size' is missing");
  lose("llama", "intermediate_size");
  expect_refused("llama", "'intermediate_size' is missing, but 'feed_forward_length' is needed");
  lose("llama", "num_attention_heads");
  expect_refused("llama", "'num_attention_heads' is missing");
  lose("laguna", "max_position_embeddings");
  expect_refused("laguna", "'max_position_embeddings' is missing");
  edit_config("qwen3-moe", [](JsonValue& config) {
    config.set("num_experts", nullptr);
    config.set("num_local_experts", nullptr);
  });
  expect_refused("qwen3-moe", "'num_experts' is missing, but 'expert_count' is needed");
  lose("mellum", "num_experts_per_tok");
  expect_refused("mellum", "'num_experts_per_tok' is missing");
}

TEST_F(NeededParts, a_model_of_experts_alone_needs_no_dense_size) {
  lose("qwen3-moe", "intermediate_size");
  EXPECT_EQ(open("qwen3-moe").metadata.find("qwen3moe.feed_forward_length"), nullptr);
}

TEST_F(NeededParts, numbers_that_single_precision_cannot_hold_are_refused) {
  set_config("llama", "rms_norm_eps", 1e300);
  expect_refused("llama", "'rms_norm_eps' is not finite in single precision");
  for (const double epsilon : {0.0, 1e-320, -1e-6}) {
    set_config("llama", "rms_norm_eps", epsilon);
    expect_refused("llama", "'rms_norm_eps' is not positive in single precision");
    set_config("gpt2", "layer_norm_epsilon", epsilon);
    expect_refused("gpt2", "'layer_norm_epsilon' is not positive");
  }
  set_config("llama", "rope_parameters", JsonObject{{"rope_theta", 1e300}});
  expect_refused("llama", "'rope_theta' is not finite in single precision");
}

TEST_F(NeededParts, rope_scaling_needs_its_factor) {
  for (const std::string type : {"linear", "yarn"}) {
    set_config("llama", "rope_parameters", JsonObject{{"rope_type", type}, {"rope_theta", 10000.0}});
    expect_refused("llama", "'rope_parameters.factor' is missing, but the rope type is '" + type + "'");
  }
}

TEST_F(NeededParts, weights_are_floating_point_numbers) {
  store_as("llama", "model.layers.0.mlp.up_proj.weight", "I8");
  expect_refused("llama",
                 "tensor 'model.layers.0.mlp.up_proj.weight' [512, 256] has type I8, but weights are "
                 "floating-point numbers | use the model's weights in F16, BF16 or F32");
  store_as("llama", "model.layers.1.input_layernorm.weight", "BOOL");
  expect_refused("llama", "has type BOOL, but weights are floating-point numbers | use the model's");
  store_as("mixtral", "model.layers.1.block_sparse_moe.experts.2.w1.weight", "F8_E4M3");
  expect_refused("mixtral",
                 "has type F8_E4M3, but weights are floating-point numbers | codes of quantized "
                 "weights");
  store_as("llama", "model.layers.0.mlp.up_proj.weight", "F32");
  open("llama");
}

TEST_F(NeededParts, packed_weights_are_refused_where_shapes_change) {
  for (const std::string model : {"mamba2", "nemotron-h-moe", "granite-hybrid"}) {
    edit_weights(model, [&](WeightFacts& facts) {
      if (facts.name.ends_with(".D")) facts.dtype = "F4";
    });
    expect_refused(model, "has type F4, but weights are floating-point numbers");
  }
}

TEST_F(NeededParts, an_output_that_is_not_the_embedding_must_be_there) {
  store_without("llama", "lm_head.weight");
  expect_refused("llama", "'tie_word_embeddings' is false, but the weights have no 'lm_head.weight'");
  lose("llama", "tie_word_embeddings");
  EXPECT_FALSE(has_tensor(open("llama"), "output.weight"));
  set_config("llama", "tie_word_embeddings", true);
  EXPECT_FALSE(has_tensor(open("llama"), "output.weight"));
}

/// Qwen3-Embedding 4B and 8B say false and have no output: they give vectors, not words.
TEST_F(NeededParts, a_model_saved_without_its_head_needs_no_output) {
  edit_weights("llama", [](WeightFacts& facts) {
    facts.name = facts.name == "lm_head.weight" ? "" : facts.name.substr(std::string("model.").size());
  });
  EXPECT_FALSE(has_tensor(open("llama"), "output.weight"));
  store_without("llama", "lm_head.weight");
  test::write_file(checkpoint("llama") / "modules.json", "[]");
  EXPECT_FALSE(has_tensor(open("llama"), "output.weight"));
}

TEST_F(NeededParts, a_stored_output_beside_a_tied_embedding_is_written_with_a_warning) {
  set_config("llama", "tie_word_embeddings", true);
  const GgufModel model = open("llama");
  EXPECT_TRUE(has_tensor(model, "output.weight"));
  ASSERT_EQ(model.warnings.size(), 1U);
  EXPECT_NE(model.warnings[0].find("'tie_word_embeddings' is true, but tensor 'lm_head.weight'"),
            std::string::npos);
}

TEST_F(NeededParts, stored_rope_factors_give_way_to_those_of_the_configuration) {
  const GgufModel without = open("llama3");
  store_without("llama3", "", {{"rope_freqs.weight", "F32", {32}}});
  const GgufModel model = open("llama3");
  EXPECT_EQ(model.tensors.size(), without.tensors.size());
  EXPECT_TRUE(has_tensor(model, "rope_freqs.weight"));
  ASSERT_EQ(model.skipped.size(), 1U);
  EXPECT_EQ(model.skipped[0], "rope_freqs.weight: computed from the rope settings of the configuration");
}

TEST(EmptyModels, are_refused_whatever_they_are) {
  const test::ScratchFolder scratch;
  const auto weights = scratch.add("empty.safetensors", test::WeightsWriter().bytes());
  const GgufLayout layout = make_gguf_layout({}, {});
  const auto gguf = scratch.add(
      "empty.gguf", std::string(reinterpret_cast<const char*>(layout.header.data()), layout.header.size()));
  scratch.add("folder/model.safetensors", test::WeightsWriter().bytes());
  for (const auto& path : {weights, gguf, scratch.path() / "folder"}) {
    test::expect_error(ErrorKind::input_invalid, "holds no tensors", [&] { open_model(path, {}); });
  }
}

}  // namespace
}  // namespace qtz
