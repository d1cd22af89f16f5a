// The types of every tensor against what llama-quantize really chose, for every checkpoint and file type on
// record.
#include <gtest/gtest.h>

#include "planned_models.h"
#include "qtz/core/error.h"
#include "support/expect_error.h"

namespace qtz {
namespace {

using namespace qtz::test;

class Mixes : public testing::TestWithParam<std::string> {};

TEST_P(Mixes, GiveEveryTensorTheTypeThatLlamaQuantizeGivesIt) {
  const GgufModel model = converted_model(GetParam());
  const JsonValue expected = read_record(arch_folder() / GetParam() / "expected-quant.json");
  for (const auto& [type, result] : *expected.as_object()) {
    const QuantPlan plan = make_plan(model, find_file_type(type), {});
    if (result.find("error") != nullptr) continue;  // see RowsThatNoBlockFitsBecomeF16
    const JsonObject& tensors = *result.find("tensors")->as_object();
    ASSERT_EQ(plan.entries.size(), tensors.size()) << type;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      const auto& [name, facts] = tensors[i];
      EXPECT_EQ(plan.entries[i].name, name) << type << ": order of the output";
      EXPECT_EQ(name_of(entry_of(plan, name).type), *(*facts.as_array())[0].as_string())
          << type << " " << name << " (" << entry_of(plan, name).why << ")";
    }
    EXPECT_EQ(plan.metadata.find("general.file_type")->as_uint(), result.find("file_type")->as_uint());
  }
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, Mixes, testing::ValuesIn(converted_names()), [](const auto& each) {
  std::string name = each.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Mixes);

TEST(MixData, IsThere) {
  if (converted_names().empty()) GTEST_SKIP() << "no checkpoints in " << arch_folder();
  EXPECT_GE(converted_names().size(), 55u);
}

DType type_in(const GgufModel& model, std::string_view file_type, std::string_view tensor) {
  return entry_of(make_plan(model, find_file_type(file_type), {}), tensor).type;
}

TEST(MixRules, RowsThatNoBlockFitsBecomeF16WhereLlamaQuantizeGivesUp) {
  GgufModel model =
      model_of({planned("blk.0.ssm_dt.weight", {512, 16}), planned("output.weight", {64, 256})});
  for (const char* type : {"Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "IQ4_NL", "Q4_K_M", "IQ4_XS", "TQ1_0",
                           "TQ2_0", "MXFP4_MOE", "Q1_0", "Q2_0", "IQ1_S", "IQ2_XS", "IQ3_M"}) {
    const QuantPlan plan = make_plan(model, find_file_type(type), {});
    EXPECT_EQ(entry_of(plan, "blk.0.ssm_dt.weight").type, DType::f16) << type;
    EXPECT_TRUE(entry_of(plan, "blk.0.ssm_dt.weight").fallback) << type;
    EXPECT_EQ(plan.warnings.size(), 1u) << type;
  }
}

TEST(MixRules, RowsOfWholeSmallBlocksTakeTheNearestLegacyType) {
  const GgufModel model =
      model_of({planned("blk.0.attn_q.weight", {512, 96}), planned("output.weight", {64, 96})});
  const std::pair<const char*, DType> wanted[] = {
      {"Q2_K", DType::q4_0},      {"Q3_K_S", DType::q4_0},  {"Q4_K_S", DType::q5_0},
      {"Q5_K_S", DType::q5_1},    {"Q6_K", DType::q8_0},    {"IQ4_XS", DType::iq4_nl},
      {"TQ1_0", DType::q4_0},     {"TQ2_0", DType::q4_0},   {"Q2_0", DType::q4_0},
      {"IQ1_S", DType::iq4_nl},   {"IQ1_M", DType::iq4_nl}, {"IQ2_XXS", DType::iq4_nl},
      {"IQ2_XS", DType::iq4_nl},  {"IQ2_S", DType::iq4_nl}, {"IQ2_M", DType::iq4_nl},
      {"IQ3_XXS", DType::iq4_nl}, {"IQ3_S", DType::iq4_nl},
  };
  for (const auto& [file_type, type] : wanted) {
    EXPECT_EQ(type_in(model, file_type, "blk.0.attn_q.weight"), type) << file_type;
    EXPECT_EQ(type_in(model, file_type, "output.weight"), DType::q8_0) << file_type;
  }
}

TEST(MixRules, SeventyBillionWeightsGetFiveBitValues) {
  for (const std::uint32_t layers : {79u, 80u}) {
    const GgufModel model = dense_model(layers, false, 64, 8);
    const DType middle = type_in(model, "Q4_K_M", "blk.10.attn_v.weight");
    EXPECT_EQ(middle, layers == 80 ? DType::q5_k : DType::q4_k) << layers;
  }
  EXPECT_EQ(type_in(dense_model(80, false, 64, 64), "Q4_K_M", "blk.10.attn_v.weight"), DType::q4_k)
      << "80 layers without grouped heads are another model";
}

TEST(MixRules, OuterLayersAndEveryThirdOfTheRestGetMoreBits) {
  const GgufModel model = dense_model(32);
  std::string pattern;
  for (int layer = 0; layer < 32; ++layer) {
    const DType type = type_in(model, "Q4_K_M", "blk." + std::to_string(layer) + ".ffn_down.weight");
    pattern += type == DType::q6_k ? '6' : type == DType::q4_k ? '4' : '?';
  }
  EXPECT_EQ(pattern,
            "6666"
            "446446446446446446446446"
            "6666")
      << "as llama-quantize gives a 32-layer Llama";
}

TEST(MixRules, EmbeddingsTiedToTheOutputAreTreatedAsTheOutput) {
  EXPECT_EQ(type_in(dense_model(2, true), "Q4_K_M", "token_embd.weight"), DType::q6_k);
  EXPECT_EQ(type_in(dense_model(2, false), "Q4_K_M", "token_embd.weight"), DType::q4_k);
}

TEST(MixRules, TernaryFilesKeepFourBitsForEmbeddings) {
  for (const char* type : {"TQ1_0", "TQ2_0", "Q2_0"}) {
    EXPECT_EQ(type_in(dense_model(2, false), type, "token_embd.weight"), DType::q4_k) << type;
    EXPECT_EQ(type_in(dense_model(2, false), type, "output.weight"), DType::q6_k) << type;
    EXPECT_EQ(type_in(dense_model(2, true), type, "token_embd.weight"), DType::q6_k) << type;
    EXPECT_EQ(name_of(type_in(dense_model(2), type, "blk.1.ffn_down.weight")), type);
  }
  EXPECT_EQ(type_in(dense_model(2), "Q1_0", "token_embd.weight"), DType::q1_0);
}

/// The types of one layer of 16, of its surroundings, and of the first ffn_down.
struct Layer {
  const char* file_type;
  DType output, embedding, q, k, v, attention_output, gate, up, down, first_down;
};

void expect_layer(const GgufModel& model, const Layer& want, std::uint32_t layer) {
  const std::string block = "blk." + std::to_string(layer) + ".";
  const std::pair<std::string, DType> types[] = {
      {"output.weight", want.output},         {"token_embd.weight", want.embedding},
      {block + "attn_q.weight", want.q},      {block + "attn_k.weight", want.k},
      {block + "attn_v.weight", want.v},      {block + "attn_output.weight", want.attention_output},
      {block + "ffn_gate.weight", want.gate}, {block + "ffn_up.weight", want.up},
      {block + "ffn_down.weight", want.down}, {"blk.0.ffn_down.weight", want.first_down}};
  ModelOrigin origin;
  origin.has_importance = true;
  const std::vector<TensorChoice> choices =
      choose_types(find_file_type(want.file_type), model.tensors, model.metadata, origin, {});
  for (const auto& [name, type] : types) {
    const auto at = std::find_if(model.tensors.begin(), model.tensors.end(),
                                 [&](const ModelTensor& tensor) { return tensor.name == name; });
    const TensorChoice& choice = choices.at(static_cast<std::size_t>(at - model.tensors.begin()));
    EXPECT_EQ(name_of(choice.type), name_of(type)) << want.file_type << " " << name << ": " << choice.why;
  }
}

TEST(MixRules, GridsOfFewBitsAreMixedWithRicherTypes) {
  using enum DType;
  // File type, output, token_embd, then of layer 5 q, k, v, attn_output, gate, up, down, and the first down.
  const Layer kSeparateHeads[] = {
      {"IQ1_S", q5_k, q2_k, iq1_s, iq1_s, q2_k, iq2_xxs, iq1_s, iq1_s, iq1_s, q2_k},
      {"IQ1_M", q5_k, q2_k, iq1_m, iq1_m, q2_k, iq2_xxs, iq1_m, iq1_m, iq1_m, q2_k},
      {"IQ2_XXS", q5_k, q2_k, iq2_xxs, iq2_xxs, q2_k, iq2_xxs, iq2_xxs, iq2_xxs, iq2_xxs, q2_k},
      {"IQ2_XS", q5_k, q2_k, iq2_xs, iq2_xs, q2_k, iq2_xs, iq2_xs, iq2_xs, iq2_xs, q2_k},
      {"IQ2_S", q5_k, iq3_s, iq2_xs, iq2_xs, iq3_s, iq3_s, iq2_xs, iq2_xs, iq2_xs, iq3_s},
      {"IQ2_M", q5_k, iq3_s, iq2_s, iq2_s, iq3_s, iq3_s, iq2_s, iq2_s, iq2_s, iq3_s},
      {"IQ3_XXS", q5_k, iq3_s, iq2_s, iq2_s, iq3_xxs, iq3_s, iq3_xxs, iq3_xxs, iq3_xxs, iq3_xxs},
      {"IQ3_XS", q6_k, iq3_s, iq3_xxs, iq3_xxs, iq3_s, iq3_s, iq3_xxs, iq3_xxs, iq3_s, iq3_s},
      {"IQ3_S", q6_k, iq3_s, iq3_s, iq3_s, iq3_s, iq3_s, iq3_s, iq3_s, iq3_s, iq3_s},
      {"IQ3_M", q6_k, iq3_s, iq3_s, iq3_s, q4_k, q4_k, iq3_s, iq3_s, iq3_s, q4_k},
  };
  for (const Layer& layer : kSeparateHeads) {
    expect_layer(dense_model(16, false, 8, 4), layer, 5);
    // Grouped heads have small values, and with 8 experts attention is small.
    Layer grouped = layer;
    grouped.v = q4_k;
    expect_layer(dense_model(16, false, 8, 2), grouped, 5);
    GgufModel experts = dense_model(16, false, 8, 4);
    set_number(experts, "expert_count", 8);
    const bool few_bits = layer.output == q5_k && layer.file_type != std::string_view("IQ3_XXS");
    Layer eight = layer;
    eight.k = eight.v = few_bits ? q4_k : q8_0;
    eight.attention_output = q5_k;
    expect_layer(experts, eight, 5);
  }
  // Layers 0 and 1, and 14 and 15, are the outer eighths of IQ3_XS.
  Layer outer = kSeparateHeads[7];
  outer.gate = outer.up = iq3_s;
  for (const std::uint32_t layer : {0u, 1u, 14u, 15u})
    expect_layer(dense_model(16, false, 8, 4), outer, layer);
}

TEST(MixRules, TheFirstDownOfFewBitsIsFirstInTheCountEvenWithExperts) {
  // llama-quantize looks at the name for the layer with experts, but not in these mixes.
  GgufModel model = model_of({planned("blk.0.ffn_up.weight", {256, 256}),
                              planned("blk.9.ffn_down_exps.weight", {4, 256, 256}),
                              planned("blk.10.ffn_down_exps.weight", {4, 256, 256})});
  set_number(model, "block_count", 16);
  set_number(model, "expert_count", 4);
  ModelOrigin origin;
  origin.has_importance = true;
  const auto types_of = [&](const char* file_type) {
    std::vector<DType> types;
    for (const TensorChoice& each :
         choose_types(find_file_type(file_type), model.tensors, model.metadata, origin, {})) {
      types.push_back(each.type);
    }
    return types;
  };
  EXPECT_EQ(types_of("IQ2_M"), (std::vector<DType>{DType::iq2_s, DType::iq3_s, DType::iq3_s}));
  EXPECT_EQ(types_of("IQ3_M"), (std::vector<DType>{DType::iq3_s, DType::iq3_s, DType::iq3_s}));
}

TEST(MixRules, GridsOfFewBitsAreRefusedWithoutAnImportanceMatrix) {
  for (const char* type : {"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "IQ3_XXS", "IQ3_XS"}) {
    const auto plan = [&] { make_plan(dense_model(2), find_file_type(type), {}); };
    expect_error(ErrorKind::usage, std::string(type) + " needs importance values for", plan);
    expect_error(ErrorKind::usage, "give an importance matrix of this model with --imatrix", plan);
  }
  for (const char* type : {"IQ3_S", "IQ3_M"})
    EXPECT_NO_THROW(make_plan(dense_model(2), find_file_type(type), {}));
}

TEST(MixRules, ExpertsAloneBecomeMxfp4) {
  const auto model = [](const char* architecture) {
    return model_of(
        {planned("output.weight", {64, 256}), planned("token_embd.weight", {64, 256}),
         planned("blk.0.attn_k_b.weight", {4, 64, 256}), planned("blk.0.attn_q.weight", {64, 256}),
         planned("blk.0.ffn_up_exps.weight", {8, 64, 256}), planned("blk.0.ffn_up.weight", {1, 64, 256})},
        architecture);
  };
  const std::pair<const char*, DType> wanted[] = {
      {"output.weight", DType::q8_0},
      {"token_embd.weight", DType::q8_0},
      {"blk.0.attn_k_b.weight", DType::mxfp4},
      {"blk.0.attn_q.weight", DType::q8_0},
      {"blk.0.ffn_up_exps.weight", DType::mxfp4},
      {"blk.0.ffn_up.weight", DType::q8_0},
  };
  for (const auto& [name, type] : wanted) {
    EXPECT_EQ(type_in(model("deepseek2"), "MXFP4_MOE", name), type) << name;
  }
  EXPECT_EQ(type_in(model("bailingmoe3"), "MXFP4_MOE", "blk.0.attn_k_b.weight"), DType::q8_0);
  EXPECT_EQ(type_in(model("bailingmoe3"), "MXFP4_MOE", "blk.0.ffn_up_exps.weight"), DType::mxfp4);
}

TEST(MixRules, TensorsWithATypeOfTheirOwnAreNotCounted) {
  // The first two attn_v of Q3_K_M get 5 bits; a rule that takes the first makes the third the second.
  const GgufModel model = dense_model(4);
  PlanOptions options;
  options.types.tensor_rules.push_back(parse_type_rule("blk\\.0\\.attn_v=Q8_0"));
  const QuantPlan plan = make_plan(model, find_file_type("Q3_K_M"), options);
  EXPECT_EQ(entry_of(plan, "blk.0.attn_v.weight").type, DType::q8_0);
  EXPECT_EQ(entry_of(plan, "blk.1.attn_v.weight").type, DType::q5_k);
  EXPECT_EQ(entry_of(plan, "blk.2.attn_v.weight").type, DType::q5_k);
  EXPECT_EQ(entry_of(plan, "blk.3.attn_v.weight").type, DType::q4_k);
}

TEST(MixRules, BlocksAreWalkedByNumberNotByText) {
  const QuantPlan plan = make_plan(dense_model(12), find_file_type("Q8_0"), {});
  std::vector<std::string> order;
  for (const PlanEntry& entry : plan.entries) {
    if (entry.name.ends_with("attn_v.weight")) order.push_back(entry.name);
  }
  EXPECT_EQ(order[2], "blk.2.attn_v.weight");
  EXPECT_EQ(order[10], "blk.10.attn_v.weight");
  EXPECT_EQ(plan.entries[0].name, "output.weight");
}

TEST(FloatFiles, FromAFolderHaveOneFloatTypeBesideF32) {
  GgufModel model = model_of({planned("blk.0.attn_q.weight", {64, 64}),
                              planned("blk.0.attn_norm.weight", {64}, DType::bf16),
                              planned("blk.0.altup_proj.weight", {4, 64}, DType::f16)});
  model.tensors[1].unquantized = DType::f32;
  for (const char* type : {"F16", "BF16", "F32"}) {
    const QuantPlan plan = make_plan(model, find_file_type(type), {});
    EXPECT_EQ(name_of(entry_of(plan, "blk.0.attn_q.weight").type), type);
    EXPECT_EQ(name_of(entry_of(plan, "blk.0.altup_proj.weight").type), type);
    EXPECT_EQ(entry_of(plan, "blk.0.attn_norm.weight").type, DType::f32);
  }
  model.from_gguf = true;
  EXPECT_EQ(entry_of(make_plan(model, find_file_type("BF16"), {}), "blk.0.altup_proj.weight").type,
            DType::f16)
      << "llama-quantize leaves what it does not quantize";
}

TEST(GenericNames, KeepNormsAndVectorsAndQuantizeOtherWeights) {
  GgufModel model =
      model_of({planned("model.layers.0.mlp.down_proj.weight", {256, 256}),
                planned("encoder.LayerNorm2d.weight", {16, 256}), planned("decoder.bias", {4, 256}),
                planned("codes.weight", {4, 256}, DType::i32)},
               "");
  model.generic = true;
  const QuantPlan plan = make_plan(model, find_file_type("Q4_K_M"), {});
  EXPECT_EQ(entry_of(plan, "model.layers.0.mlp.down_proj.weight").type, DType::q4_k);
  EXPECT_EQ(entry_of(plan, "encoder.LayerNorm2d.weight").type, DType::bf16);
  EXPECT_EQ(entry_of(plan, "decoder.bias").type, DType::bf16);
  EXPECT_EQ(entry_of(plan, "codes.weight").type, DType::i32);
}

}  // namespace
}  // namespace qtz
