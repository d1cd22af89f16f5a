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
