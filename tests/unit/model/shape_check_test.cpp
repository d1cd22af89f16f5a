// Weights whose shapes are not those of the configuration beside them: llama.cpp would not load the result.
#include "unit/model/spoiled_model.h"

namespace qtz {
namespace {

using test::SpoiledModel;
using test::WeightFacts;

class ShapeCheck : public SpoiledModel {};

struct WrongSize {
  const char* model;
  const char* field;
  std::uint64_t value;
  const char* message;
};
void PrintTo(const WrongSize& wrong, std::ostream* out) {
  *out << wrong.model << " " << wrong.field;
}

class WrongSizes : public SpoiledModel, public testing::WithParamInterface<WrongSize> {};

TEST_P(WrongSizes, are_refused_naming_tensor_field_and_shape) {
  const WrongSize& wrong = GetParam();
  set_config(wrong.model, wrong.field, wrong.value);
  expect_refused(wrong.model, wrong.message);
  expect_refused(wrong.model, "config.json: tensor '");
  expect_refused(wrong.model, "'" + std::string(wrong.field) + "'");
}

const WrongSize kWrongSizes[] = {
    {"llama", "intermediate_size", 999,
     "tensor 'model.layers.0.mlp.gate_proj.weight' [512, 256] becomes 'blk.0.ffn_gate.weight' [512, 256], "
     "but [999, 256] is needed: 'intermediate_size' is 999, 'hidden_size' is 256"},
    {"llama", "hidden_size", 128,
     "'model.embed_tokens.weight' [2048, 256] becomes 'token_embd.weight' [2048, 256], but [2048, 128] is "
     "needed: the vocabulary has 2048 entries, 'hidden_size' is 128"},
    {"llama", "num_key_value_heads", 1,
     "'model.layers.0.self_attn.k_proj.weight' [128, 256] does not divide into 1 heads"},
    {"llama", "num_key_value_heads", 4, "does not divide into 4 heads ('num_key_value_heads') of 64 rows"},
    {"llama", "num_attention_heads", 16, "does not divide into 16 heads ('num_attention_heads') of 64 rows"},
    {"mistral", "intermediate_size", 511, "but [511, 256] is needed"},
    {"ministral3", "intermediate_size", 511, "but [511, 256] is needed"},
    {"mixtral", "intermediate_size", 511, "'blk.0.ffn_gate_exps.weight' [4, 512, 256], but [4, 511, 256]"},
    {"qwen2", "num_key_value_heads", 1, "'blk.0.attn_k.bias' [128], but [64] is needed"},
    {"qwen2", "num_attention_heads", 8, "'blk.0.attn_k.bias' [128], but [64] is needed"},
    {"qwen3", "head_dim", 32, "'blk.0.attn_q.weight' [256, 256], but [128, 256] is needed"},
    {"qwen3-moe", "moe_intermediate_size", 128, "[4, 256, 256], but [4, 128, 256] is needed"},
    {"gpt2", "n_inner", 1000, "'blk.0.ffn_up.bias' [1024], but [1000] is needed: 'n_inner' is 1000"},
    {"gpt2", "n_ctx", 128, "'position_embd.weight' [512, 256], but [128, 256] is needed"},
    {"gemma", "intermediate_size", 511, "but [511, 256] is needed"},
    {"gemma2", "intermediate_size", 511, "but [511, 256] is needed"},
    {"gemma3", "num_key_value_heads", 1, "'blk.0.attn_k.weight' [128, 256], but [64, 256] is needed"},
    {"phi3", "intermediate_size", 256, "'blk.0.ffn_up.weight' [1024, 256], but [512, 256] is needed"},
    {"phi3", "num_key_value_heads", 1, "'blk.0.attn_qkv.weight' [512, 256], but [384, 256] is needed"},
    {"olmo2", "intermediate_size", 511, "but [511, 256] is needed"},
    {"deepseek2", "moe_intermediate_size", 128, "[4, 256, 256], but [4, 128, 256] is needed"},
    {"qwen3-next", "num_attention_heads", 8, "'blk.3.attn_q.weight' [512, 256], but [1024, 256] is needed"},
    {"mamba2", "state_size", 32, "'state_size' is 32"},
};
INSTANTIATE_TEST_SUITE_P(Table, WrongSizes, testing::ValuesIn(kWrongSizes));

TEST_F(ShapeCheck, one_layer_of_another_size_is_refused) {
  reshape_weight("llama", "model.layers.1.mlp.up_proj.weight", {256, 256});
  expect_refused("llama",
                 "tensor 'model.layers.1.mlp.up_proj.weight' [256, 256] becomes 'blk.1.ffn_up.weight' "
                 "[256, 256], but [512, 256] is needed");
}

TEST_F(ShapeCheck, a_bias_has_the_rows_of_its_weight) {
  reshape_weight("qwen2", "model.layers.1.self_attn.k_proj.bias", {64});
  expect_refused("qwen2", "becomes 'blk.1.attn_k.bias' [64], but [128] is needed");
}

TEST_F(ShapeCheck, fused_experts_stored_the_other_way_round_are_refused) {
  for (const bool turned : {false, true}) {
    std::vector<WeightFacts> fused;
    for (const std::string layer : {"0", "1"}) {
      const std::string prefix = "model.layers." + layer + ".mlp.experts.";
      fused.push_back({prefix + "gate_up_proj", "BF16", {4, turned ? 256U : 512U, turned ? 512U : 256U}});
      fused.push_back({prefix + "down_proj", "BF16", {4, 256, 256}});
    }
    edit_weights(
        "qwen3-moe",
        [](WeightFacts& facts) {
          if (facts.name.find(".experts.") != std::string::npos) facts.name.clear();
        },
        fused);
    if (!turned) {
      open("qwen3-moe");
    } else {
      expect_refused("qwen3-moe", "'blk.0.ffn_gate_exps.weight' [4, 128, 512], but [4, 256, 256] is needed");
    }
  }
}

TEST_F(ShapeCheck, layers_differ_where_the_keys_have_a_value_for_each) {
  set_config("laguna", "num_attention_heads_per_layer", JsonArray{4, 2});
  expect_refused("laguna", "'num_attention_heads_per_layer' is 2");
  edit_weights("laguna", [](WeightFacts& facts) {
    if (facts.name == "model.layers.1.self_attn.q_proj.weight") facts.shape = {128, 256};
    if (facts.name == "model.layers.1.self_attn.o_proj.weight") facts.shape = {256, 128};
    if (facts.name == "model.layers.1.self_attn.g_proj.weight") facts.shape = {2, 256};
  });
  open("laguna");
}

/// What neither a key nor the configuration explains must be the same everywhere.
TEST_F(ShapeCheck, tensors_of_a_size_that_is_not_known_have_one_shape_in_all_layers) {
  set_config("gemma3n", "laurel_rank", JsonValue());
  reshape_weight("gemma3n", "model.layers.1.laurel.linear_left.weight", {16, 256});
  expect_refused("gemma3n", "'blk.1.laurel_l.weight' [16, 256], but tensor '");
}

}  // namespace
}  // namespace qtz
