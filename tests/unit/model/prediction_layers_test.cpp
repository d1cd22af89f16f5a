// --mtp: what cannot be done is refused by name; what is left out is said once for each layer or part.
#include "unit/model/spoiled_model.h"

namespace qtz {
namespace {

class PredictionChoice : public test::SpoiledModel {
 protected:
  GgufModel open_with(const std::string& name, PredictionLayers choice) {
    ModelOptions options;
    options.prediction_layers = choice;
    return open_model(checkpoint(name), options);
  }

  void expect_usage(const std::string& name, PredictionLayers choice, const std::string& piece) {
    SCOPED_TRACE(name);
    test::expect_error(ErrorKind::usage, piece, [&] { open_with(name, choice); });
  }

  /// Rewrites the weights without those of layers from `layer` on.
  void cut_layers(const std::string& name, const std::string& layer) {
    edit_weights(name, [&](test::WeightFacts& facts) {
      if (facts.name.starts_with("model.layers." + layer + ".")) facts.name.clear();
    });
  }
};

TEST_F(PredictionChoice, is_refused_for_classes_that_have_none) {
  expect_usage("glm4-moe", PredictionLayers::drop, "cannot be done with models of class Glm4MoeForCausalLM");
  expect_usage("mimo2", PredictionLayers::only, "MiMoV2FlashForCausalLM");
  expect_usage("deepseek3", PredictionLayers::keep, "DeepseekV3ForCausalLM");
  expect_usage("llama", PredictionLayers::drop, "LlamaForCausalLM");
  expect_usage("deepseek4", PredictionLayers::keep, "--mtp keep cannot be done");
}

TEST_F(PredictionChoice, is_refused_for_models_without_such_layers) {
  for (const auto choice : {PredictionLayers::keep, PredictionLayers::drop, PredictionLayers::only}) {
    expect_usage("qwen3-5", choice, "the model has no prediction layers");
  }
  cut_layers("deepseek3-2", "2");
  expect_usage("deepseek3-2", PredictionLayers::only, "the model has no prediction layers");
  expect_usage("deepseek3-2", PredictionLayers::keep, "the model has no prediction layers");
}

TEST_F(PredictionChoice, opens_a_model_whose_weights_lack_what_its_configuration_promises) {
  cut_layers("deepseek3-2", "2");
  expect_refused("deepseek3-2", "tensors are missing: 'model.layers.2.");
  const GgufModel model = open_with("deepseek3-2", PredictionLayers::drop);
  EXPECT_EQ(model.metadata.find("deepseek32.block_count")->as_uint(), 2U);
  EXPECT_EQ(model.metadata.find("deepseek32.nextn_predict_layers"), nullptr);
  EXPECT_TRUE(model.skipped.empty());
}

TEST_F(PredictionChoice, keep_is_what_the_class_does_unasked) {
  const GgufModel kept = open_with("step3-5", PredictionLayers::keep);
  EXPECT_EQ(kept.tensors.size(), open("step3-5").tensors.size());
  EXPECT_EQ(kept.metadata.find("step35.nextn_predict_layers")->as_uint(), 2U);
}

TEST_F(PredictionChoice, says_once_for_each_layer_what_is_left_out) {
  const GgufModel dropped = open_with("step3-5", PredictionLayers::drop);
  ASSERT_EQ(dropped.skipped.size(), 2U);
  EXPECT_EQ(dropped.skipped[0], "layer 4, 17 tensors: multi-token prediction, left out as --mtp drop says");
  const GgufModel alone = open_with("step3-5", PredictionLayers::only);
  ASSERT_EQ(alone.skipped.size(), 1U);
  EXPECT_NE(alone.skipped[0].find("of the 4 layers that do not predict further tokens"), std::string::npos)
      << alone.skipped[0];
  const GgufModel unasked = open("deepseek4");
  ASSERT_EQ(unasked.skipped.size(), 1U);
  EXPECT_NE(unasked.skipped[0].find("layer 3, "), std::string::npos) << unasked.skipped[0];
  EXPECT_NE(unasked.skipped[0].find("--mtp only"), std::string::npos) << unasked.skipped[0];
}

TEST_F(PredictionChoice, other_parts_of_a_model_are_one_line) {
  const GgufModel vision = open("qwen3-vl");
  ASSERT_EQ(vision.skipped.size(), 1U);
  EXPECT_EQ(vision.skipped[0],
            "3 tensors under 'model.visual.': the vision or audio part; this GGUF holds the language model "
            "alone");
  const GgufModel several = open("minimax-m3");
  ASSERT_EQ(several.skipped.size(), 1U);
  EXPECT_TRUE(several.skipped[0].starts_with(
      "1 tensor under 'multi_modal_projector.', 1 tensor under 'patch_merge_mlp.', 1 tensor under "
      "'vision_tower.'"))
      << several.skipped[0];
}

}  // namespace
}  // namespace qtz
