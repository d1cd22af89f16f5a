// Fields that single families have, with values that no model has.
#include "unit/model/spoiled_model.h"

namespace qtz {
namespace {

using test::SpoiledModel;

struct BadField {
  const char* model;
  const char* field;
  const char* value;  ///< JSON; "null" takes the field away
  const char* message;
};
void PrintTo(const BadField& bad, std::ostream* out) {
  *out << bad.model << " " << bad.field << " " << bad.value;
}

class BadFields : public SpoiledModel, public testing::WithParamInterface<BadField> {};

TEST_P(BadFields, are_refused_naming_the_field) {
  const BadField& bad = GetParam();
  set_config(bad.model, bad.field, parse_json(bad.value, JsonLimits{}, "test"));
  expect_refused(bad.model, bad.message);
}

const BadField kBadFields[] = {
    {"internlm2", "num_attention_heads", "0", "'num_attention_heads' is 0"},
    {"internlm2", "num_key_value_heads", "3", "'num_key_value_heads' is 3, which does not divide the 4"},
    {"internlm2", "num_key_value_heads", "1", "is not made of 4 queries, 1 keys and 1 values of 64 rows"},
    {"internlm2", "num_attention_heads", "2147483647", "which does not divide the hidden size"},
    {"internlm2", "head_dim", "2147483646",
     "is not made of 4 queries, 2 keys and 2 values of 2147483646 rows"},
    {"minicpm", "dim_model_base", "0", "'dim_model_base' is not positive"},
    {"minicpm", "scale_emb", "\"x\"", "'scale_emb' is not a number"},
    {"minicpm", "scale_depth", "1e300", "is not finite"},
    {"minicpm", "num_hidden_layers", "0", "'num_hidden_layers' is 0"},
    {"minicpm4", "rope_scaling", R"({"rope_type": "longrope", "long_factor": [1], "short_factor": [1]})",
     "has 1 values, but 32 are needed"},
    {"baichuan", "num_attention_heads", "3", "which does not divide the hidden size"},
    {"baichuan", "num_key_value_heads", "2", "is not made of 4 queries, 2 keys and 2 values of 64 rows"},
    {"orion", "rms_norm_eps", "0", "is not positive"},
    {"xverse", "num_attention_heads", "0", "'num_attention_heads' is 0"},
    {"deepseek", "n_routed_experts", "3", "has an expert 3"},
    {"deepseek", "n_shared_experts", "1", "but [256, 256] is needed"},
    {"deepseek", "n_shared_experts", "2147483647", "becomes 'blk.1.ffn_gate_shexp.weight'"},
    {"deepseek", "moe_intermediate_size", "null", "'moe_intermediate_size' is missing"},
    {"deepseek", "num_experts_per_tok", "5", "is 5 of 4 experts"},
    {"bailingmoe", "norm_head", "true", "'norm_head' is true"},
    {"bailingmoe", "num_key_value_heads", "4", "is not made of 4 queries, 4 keys and 4 values"},
    {"bailingmoe2", "partial_rotary_factor", "-1", "'partial_rotary_factor' is not between 0 and 1"},
    {"bailingmoe2", "num_nextn_predict_layers", "0", "the weights have a layer 3"},
    {"bailingmoe2", "num_nextn_predict_layers", "2147483647", "'num_hidden_layers' is"},
    {"bailingmoe2", "moe_shared_expert_intermediate_size", "128", "but [128, 256] is needed"},
    {"bailingmoe2", "score_function", "\"dice\"", "which is unknown"},
    {"smallthinker", "moe_num_primary_experts", "2147483647", "'num_experts' is 2147483647"},
    {"smallthinker", "moe_ffn_hidden_size", "null", "'moe_ffn_hidden_size' is missing"},
    {"smallthinker", "sliding_window_layout", "[-1]", "'sliding_window_layout' holds -1"},
    {"smallthinker", "sliding_window_layout", "1", "'sliding_window_layout' is not a list"},
    {"llada", "n_heads", "0", "'n_heads' is 0"},
    {"llada", "d_model", "128", "does not divide into 4 heads"},
    {"llada", "mlp_hidden_size", "\"big\"", "'mlp_hidden_size' is not a whole number"},
    {"dream", "num_key_value_heads", "0", "'num_key_value_heads' is 0"},
    {"openelm", "num_query_heads", "[2, 4]", "'num_query_heads' has 2 entries for 3 layers"},
    {"openelm", "num_query_heads", "[2, 4, 0]", "'num_query_heads' has a 0"},
    {"openelm", "num_kv_heads", "4", "'num_kv_heads' is not a list"},
    {"openelm", "num_kv_heads", "[1, 2, 2147483647]", "becomes 'blk.2.attn_qkv.weight'"},
    {"openelm", "ffn_multipliers", "[0.5, 1.9]", "is not a list of 3 numbers"},
    {"openelm", "ffn_multipliers", "[0.5, 1.9, 1e30]", "'ffn_multipliers' holds"},
    {"openelm", "ffn_multipliers", "[0.5, 1.9, -1]", "'ffn_multipliers' holds"},
    {"openelm", "ffn_dim_divisor", "0", "'ffn_dim_divisor' is 0"},
    {"openelm", "num_transformer_layers", "null", "'num_transformer_layers' is missing"},
    {"codeshell", "n_head", "0", "'n_head' is 0"},
    {"codeshell", "num_query_groups", "3", "which does not divide the 4"},
    {"codeshell", "num_query_groups", "[2]", "'num_query_groups'"},
    {"codeshell", "n_embd", "2147483647", "'n_head' is 4, which does not divide the hidden size"},
    {"ernie4-5-old", "num_key_value_heads", "1", "is not made of 4 queries, 1 keys and 1 values of 64 rows"},
    {"ernie4-5-old", "intermediate_size", "511", "but [511, 256] is needed"},
    {"arctic", "num_local_experts", "0", "but [0, 256] is needed: 'num_local_experts' is 0"},
    {"arctic", "intermediate_size", "256", "but [4, 256, 256] is needed"},
    {"phimoe", "num_local_experts", "3", "has an expert 3"},
    {"phimoe", "num_local_experts", "2147483647", "'num_local_experts' is 2147483647"},
    {"mpt", "n_heads", "0", "'n_heads' is 0"},
    {"mpt", "d_model", "2147483644", "'d_model' is absurd"},
    {"mpt", "attn_config", R"({"alibi": "yes"})", "'attn_config.alibi' is not true or false"},
    {"mpt", "attn_config", R"({"alibi": true, "alibi_bias_max": "x"})",
     "'attn_config.alibi_bias_max' is not a number"},
    {"mpt", "attn_config", R"({"alibi": true, "clip_qkv": 1e300})", "is not finite"},
    {"mpt", "attn_config", R"({"kv_n_heads": 3})", "which does not divide the 4"},
    {"mpt", "attn_config", R"({"kv_n_heads": 1})", "but [384, 256] is needed"},
    {"deci", "block_configs", "[]", "'block_configs' is not a list with an entry for each of the 5 layers"},
    {"deci", "block_configs", "[1, 2, 3, 4, 5]", "has an entry without 'attention'"},
    {"deci", "num_attention_heads", "2", "'block_configs' has an 'n_heads_in_group' of 4 for 2 heads"},
    {"deci", "num_attention_heads", "0", "'num_attention_heads' is 0"},
    {"lfm2moe", "num_experts", "3", "has an expert 3"},
    {"lfm2moe", "num_dense_layers", "\"x\"", "'num_dense_layers' is not a whole number"},
    {"lfm2moe", "num_key_value_heads", "0", "becomes 'blk.1.attn_k.weight'"},
    {"lfm2moe", "layer_types", "null", "'layer_types' is missing"},
    {"dots1", "n_shared_experts", "1", "but [256, 256] is needed"},
    {"dots1", "n_routed_experts", "7", "has an expert 7"},
    {"dots1", "num_experts_per_tok", "9", "is 9 of 8 experts"},
    {"pangu-embedded", "num_key_value_heads", "1", "'blk.0.attn_k.bias' [128], but [64] is needed"},
};

INSTANTIATE_TEST_SUITE_P(Families, BadFields, testing::ValuesIn(kBadFields));

class FamilyConfigs : public SpoiledModel {};

bool says(const GgufModel& model, std::string_view piece) {
  for (const std::string& warning : model.warnings) {
    if (warning.find(piece) != std::string::npos) return true;
  }
  return false;
}

TEST_F(FamilyConfigs, a_codeshell_without_an_output_gets_the_embedding_as_one) {
  edit_weights("codeshell", [](test::WeightFacts& facts) {
    if (facts.name == "lm_head.weight") facts.name.clear();
  });
  const GgufModel model = open("codeshell");
  std::size_t found = 0;
  for (const ModelTensor& tensor : model.tensors) {
    if (tensor.name == "output.weight" || tensor.name == "token_embd.weight") {
      ++found;
      EXPECT_EQ(tensor.expr->shape(), (Shape{2048, 256}));
    }
  }
  EXPECT_EQ(found, 2U);
}

/// Replaces a member of one entry of block_configs.
void edit_block(JsonValue& config, std::size_t index, std::string_view part, const std::string& field,
                JsonValue value) {
  JsonArray blocks = *config.find("block_configs")->as_array();
  JsonValue inner = *blocks[index].find(part);
  inner.set(field, std::move(value));
  blocks[index].set(std::string(part), std::move(inner));
  config.set("block_configs", std::move(blocks));
}

TEST_F(FamilyConfigs, entries_of_searched_layers_are_what_the_layers_have) {
  const auto refuse = [&](std::size_t index, std::string_view part, const std::string& field, JsonValue value,
                          const std::string& message) {
    edit_config("deci", [&](JsonValue& config) { edit_block(config, index, part, field, value); });
    expect_refused("deci", message);
  };
  refuse(0, "attention", "n_heads_in_group", 0, "has an 'n_heads_in_group' of 0 for 4 heads");
  refuse(0, "attention", "n_heads_in_group", 3, "has an 'n_heads_in_group' of 3 for 4 heads");
  refuse(0, "attention", "n_heads_in_group", 1, "'blk.0.attn_k.weight' [128, 256], but [256, 256] is needed");
  refuse(0, "attention", "n_heads_in_group", nullptr,
         "says that layer 0 has no tensor 'blk.0.attn_norm.weight'");
  refuse(4, "attention", "n_heads_in_group", 2, "says that layer 4 has a tensor 'blk.4.attn_norm.weight'");
  refuse(2, "attention", "replace_with_linear", true,
         "says that layer 2 has a tensor 'blk.2.attn_norm.weight'");
  refuse(4, "ffn", "ffn_mult", 1.0, "says that layer 4 has a tensor 'blk.4.ffn_norm.weight'");
  refuse(0, "ffn", "ffn_mult", nullptr, "says that layer 0 has no tensor 'blk.0.ffn_norm.weight'");
  refuse(0, "ffn", "ffn_mult", 4.0, "but [768, 256] is needed");
  for (const JsonValue& absurd : {JsonValue(-1), JsonValue(1e30), JsonValue("x")}) {
    refuse(0, "ffn", "ffn_mult", absurd, "has an 'ffn_mult' of ");
  }
}

TEST_F(FamilyConfigs, a_deci_of_seven_billion_has_key_heads_by_layer) {
  constexpr std::uint64_t kHeadRows = 64;
  edit_weights("deci", [](test::WeightFacts& facts) {
    const bool later = facts.name.find(".layers.") != std::string::npos &&
                       !facts.name.starts_with("model.layers.0.") &&
                       !facts.name.starts_with("model.layers.1.");
    if (later) facts.name.clear();
    if (facts.name.find(".mlp.") == std::string::npos) return;
    (facts.name.find("down_proj") != std::string::npos ? facts.shape[1] : facts.shape[0]) = 512;
  });
  const auto of_seven = [&](JsonArray heads) {
    edit_config("deci", [&](JsonValue& config) {
      config.set("block_configs", nullptr);
      config.set("num_hidden_layers", 2);
      config.set("intermediate_size", 512);
      config.set("num_key_value_heads_per_layer", std::move(heads));
    });
  };
  of_seven({2, 1});
  const GgufModel model = open("deci");
  const auto& heads = *model.metadata.find("deci.attention.head_count_kv")->as_array();
  EXPECT_EQ(std::get<std::vector<std::int32_t>>(heads.elements), (std::vector<std::int32_t>{2, 1}));
  for (const ModelTensor& tensor : model.tensors) {
    if (tensor.name != "blk.1.attn_k.weight") continue;
    EXPECT_EQ(tensor.expr->shape(), (Shape{kHeadRows, 256}));
  }
  of_seven({2});
  expect_refused("deci", "'num_key_value_heads_per_layer' has 1 entries for 2 layers");
  of_seven({2, 2});
  expect_refused("deci", "'blk.1.attn_k.weight' [64, 256], but [128, 256] is needed");
}

TEST_F(FamilyConfigs, an_internlm2_without_an_output_is_refused) {
  edit_weights("internlm2", [](test::WeightFacts& facts) {
    if (facts.name == "output.weight") facts.name.clear();
  });
  expect_refused("internlm2", "tensors are missing: 'output.weight'");
}

TEST_F(FamilyConfigs, a_baichuan_2_is_told_that_its_output_is_normalized_when_it_runs) {
  EXPECT_FALSE(says(open("baichuan"), "normalize"));
  constexpr std::uint64_t kRows = 125'696;
  edit_weights("baichuan", [](test::WeightFacts& facts) {
    if (facts.shape.front() == 2048) facts.shape.front() = kRows;
  });
  set_config("baichuan", "vocab_size", kRows);
  EXPECT_TRUE(says(open("baichuan"), "normalizes the rows of 'lm_head.weight'"));
}

TEST_F(FamilyConfigs, a_ling_2_may_lack_prediction_layers_and_shared_experts) {
  edit_weights("bailingmoe2", [](test::WeightFacts& facts) {
    if (facts.name.starts_with("model.layers.3.") || facts.name.find("shared_experts") != std::string::npos) {
      facts.name.clear();
    }
  });
  set_config("bailingmoe2", "num_nextn_predict_layers", nullptr);
  const GgufModel model = open("bailingmoe2");
  EXPECT_EQ(model.metadata.find("bailingmoe2.nextn_predict_layers"), nullptr);
  EXPECT_EQ(model.metadata.find("bailingmoe2.block_count")->as_uint(), 3U);
}

}  // namespace
}  // namespace qtz
