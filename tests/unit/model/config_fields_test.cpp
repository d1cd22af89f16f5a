// Fields that single architectures read from their configurations: values that make no sense are refused by
// name, whatever else is right.
#include "unit/model/spoiled_model.h"

namespace qtz {
namespace {

class ConfigFields : public test::SpoiledModel {
 protected:
  void expect_field_refused(const std::string& name, const std::string& field, JsonValue value,
                            const std::string& piece) {
    SCOPED_TRACE(field);
    set_config(name, field, std::move(value));
    expect_refused(name, piece);
  }
  void expect_part_refused(const std::string& name, const std::string& part, const std::string& field,
                           JsonValue value, const std::string& piece) {
    SCOPED_TRACE(part + "." + field);
    edit_config(name, [&](JsonValue& config) {
      JsonValue changed = *config.find(part);
      changed.set(field, std::move(value));
      config.set(part, std::move(changed));
    });
    expect_refused(name, piece);
  }
};

TEST_F(ConfigFields, of_vision_models_are_checked) {
  expect_part_refused("qwen3-vl", "vision_config", "deepstack_visual_indexes", "all",
                      "'deepstack_visual_indexes' is not a list");
  expect_part_refused("qwen3-vl", "vision_config", "deepstack_visual_indexes", JsonArray{-1},
                      "'deepstack_visual_indexes' holds -1");
  expect_field_refused("qwen3-vl", "vision_config", JsonArray{1}, "'vision_config': is a JSON");
  expect_field_refused("qwen2-vl", "rope_scaling", JsonObject{{"type", "mrope"}},
                       "'rope_scaling.mrope_section' is missing");
  expect_part_refused("glm4v", "text_config", "partial_rotary_factor", 1.5,
                      "'partial_rotary_factor' is not in 0..1");
  expect_part_refused("glm4v", "text_config", "partial_rotary_factor", 0.4,
                      "'partial_rotary_factor' leaves an odd number");
  expect_part_refused("glm4v", "text_config", "head_dim", 96, "does not divide into heads of 96 rows");
}

TEST_F(ConfigFields, of_sparse_attention_are_checked) {
  expect_field_refused("deepseek3-2", "index_topk", nullptr, "'index_topk' is missing");
  expect_field_refused("deepseek3-2", "index_head_dim", 64, "'index_head_dim' is 64");
  expect_field_refused("minimax-m3", "sparse_attention_config", nullptr,
                       "'sparse_attention_config' is missing");
  expect_part_refused("minimax-m3", "sparse_attention_config", "sparse_block_size", "wide",
                      "'sparse_block_size' is not a whole number");
  expect_field_refused("minimax-m3", "moe_layer_freq", "all", "'moe_layer_freq' is not a list");
  expect_field_refused("minimax-m3", "routed_scaling_factor", nullptr, "'routed_scaling_factor' is missing");
}

TEST_F(ConfigFields, of_mimo_are_checked) {
  expect_field_refused("mimo2", "hybrid_layer_pattern", JsonArray{0, 1},
                       "'hybrid_layer_pattern' has 2 entries for 3 layers");
  expect_field_refused("mimo2", "hybrid_layer_pattern", JsonArray{0, 2, 0},
                       "'hybrid_layer_pattern' holds something that is not 0 or 1");
  expect_field_refused("mimo2", "swa_head_dim", 64, "'swa_head_dim' is 64, but 'head_dim' is 96");
  expect_field_refused("mimo2", "swa_num_key_value_heads", nullptr, "'swa_num_key_value_heads' is missing");
  expect_field_refused("mimo2", "swa_num_key_value_heads", 4, "is needed");
  expect_field_refused("mimo2", "layernorm_epsilon", 0, "is not positive");
}

TEST_F(ConfigFields, of_step_are_checked) {
  expect_field_refused("step3-5", "rope_theta", JsonArray{5e6, 1e4, 2e4, 5e6},
                       "'rope_theta' differs between layers of one kind, at layer 2");
  expect_field_refused("step3-5", "rope_theta", JsonArray{"high", 1e4},
                       "'rope_theta' is not a list of numbers");
  expect_field_refused("step3-5", "partial_rotary_factors", JsonArray{0.5, 0.5},
                       "'partial_rotary_factors' has something else than 1 for layer 1");
  expect_field_refused("step3-5", "moe_layers_enum", "1;2", "'moe_layers_enum' is not a list of layers");
  expect_field_refused("step3-5", "swiglu_limits", JsonArray{"none"},
                       "'swiglu_limits' holds something that is not a number");
  expect_field_refused("step3-5", "num_attention_groups", nullptr, "'num_attention_groups' is missing");
  expect_part_refused("step3-5", "attention_other_setting", "num_attention_heads", 8, "is needed");
  expect_part_refused("step3-5", "rope_scaling", "low_freq_factor", 0,
                      "'rope_scaling.low_freq_factor' is not positive");
}

TEST_F(ConfigFields, of_deepseek_4_are_checked) {
  expect_field_refused("deepseek4", "compress_ratios", JsonArray{0, 4},
                       "'compress_ratios' has 2 entries for 3 layers");
  expect_field_refused("deepseek4", "hc_mult", 0, "'hc_mult' is 0");
  expect_field_refused("deepseek4", "hc_mult", 2, "'hc_mult' is 2");
  expect_field_refused("deepseek4", "o_groups", 4, "'o_groups' is 4");
  expect_field_refused("deepseek4", "swiglu_limit", "tight", "'swiglu_limit' is not a number");
  expect_field_refused("deepseek4", "scoring_func", "tanh", "'scoring_func' is 'tanh'");
  expect_field_refused("deepseek4", "o_lora_rank", nullptr, "'o_lora_rank' is missing");
}

}  // namespace
}  // namespace qtz
