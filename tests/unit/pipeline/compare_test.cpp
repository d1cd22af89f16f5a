#include "qtz/pipeline/compare.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "memory_models.h"
#include "support/silent_progress.h"

namespace qtz {
namespace {

using namespace qtz::test;

ModelComparison compare(const GgufModel& first, const GgufModel& second, CompareOptions options = {}) {
  return compare_models(first, second, scalar(), options, silent_progress(), CancelToken());
}

ModelTensor as_f32(const std::string& name, Shape shape, const std::vector<float>& values) {
  return in_memory(name, std::move(shape), DType::f32, values);
}

TEST(Compare, MeasuresTheErrorOfTheSecond) {
  const GgufModel a = model_of({as_f32("blk.3.attn_q.weight", {2, 2}, {3, 4, 0, 0})});
  const GgufModel b = model_of({as_f32("blk.3.attn_q.weight", {2, 2}, {3, 3, 0, 2})});
  const ModelComparison found = compare(a, b);
  ASSERT_EQ(found.tensors.size(), 1u);
  const TensorDifference& tensor = found.tensors[0];
  EXPECT_EQ(tensor.role, "attn_q");
  EXPECT_EQ(tensor.layer, 3u);
  EXPECT_TRUE(tensor.compared());
  EXPECT_FALSE(tensor.equal());
  EXPECT_DOUBLE_EQ(tensor.rmse, std::sqrt(5.0 / 4));
  EXPECT_DOUBLE_EQ(tensor.max_abs, 2);
  EXPECT_DOUBLE_EQ(tensor.relative, std::sqrt(5.0 / 25));
  EXPECT_DOUBLE_EQ(tensor.cosine, 21 / (5 * std::sqrt(22.0)));
  EXPECT_DOUBLE_EQ(tensor.sqnr_db, 10 * std::log10(5.0));
  EXPECT_EQ(found.first_sizes.bytes, 16u);
}

TEST(Compare, KnowsEqualNumbersOfDifferentTypes) {
  const GgufModel a = model_of({as_f32("output_norm.weight", {4}, {1, 2, 3, -4})});
  const GgufModel b =
      model_of({in_memory("output_norm.weight", {4}, DType::bf16, std::vector<float>{1, 2, 3, -4})});
  const ModelComparison found = compare(a, b);
  EXPECT_TRUE(found.tensors.at(0).equal());
  EXPECT_TRUE(std::isinf(found.tensors[0].sqnr_db));
  EXPECT_EQ(found.tensors[0].role, "output_norm");
  EXPECT_FALSE(found.tensors[0].layer.has_value());
  EXPECT_EQ(found.second_sizes.bytes, 8u);
}

TEST(Compare, LooksAtTheFileTypeOfTwoGgufsOnly) {
  GgufModel a = model_of({as_f32("a", {4}, {1, 2, 3, 4})});
  GgufModel b = a;
  a.stale_metadata.set("general.file_type", GgufValue(std::uint32_t{7}));
  b.stale_metadata.set("general.file_type", GgufValue(std::uint32_t{8}));
  EXPECT_TRUE(compare(a, b).keys_different.empty());
  a.from_gguf = b.from_gguf = true;
  EXPECT_EQ(compare(a, b).keys_different, (std::vector<std::string>{"general.file_type"}));
}

TEST(Compare, CountsSizesOfTensorsWithoutPartnerToo) {
  const std::vector<float> four{1, 2, 3, 4};
  const ModelComparison found =
      compare(model_of({as_f32("a", {4}, four), in_memory("half", {4}, DType::bf16, four)}),
              model_of({as_f32("b", {4}, four)}));
  EXPECT_EQ(found.first_sizes.bytes, 24u);
  EXPECT_EQ(found.first_sizes.bytes_by_type,
            (std::map<DType, std::uint64_t>{{DType::f32, 16}, {DType::bf16, 8}}));
  EXPECT_EQ(found.second_sizes.bytes_by_type, (std::map<DType, std::uint64_t>{{DType::f32, 16}}));
}

TEST(Compare, SaysWhatHasNoPartnerOrAnotherShape) {
  const std::vector<float> four{1, 2, 3, 4};
  GgufModel a =
      model_of({as_f32("a", {4}, four), as_f32("both", {2, 2}, four), as_f32("shape", {4, 1}, four)});
  GgufModel b =
      model_of({as_f32("both", {2, 2}, four), as_f32("shape", {2, 2}, four), as_f32("b", {4}, four)});
  a.metadata.set("only.a", GgufValue(std::string("x")));
  a.metadata.set("other", GgufValue(std::string("x")));
  b.metadata.set("other", GgufValue(std::string("y")));
  b.metadata.set("only.b", GgufValue(std::string("x")));
  const ModelComparison found = compare(a, b);
  EXPECT_EQ(found.only_first, (std::vector<std::string>{"a"}));
  EXPECT_EQ(found.only_second, (std::vector<std::string>{"b"}));
  ASSERT_EQ(found.tensors.size(), 2u);
  EXPECT_TRUE(found.tensors[0].equal());
  EXPECT_EQ(found.tensors[1].problem, "shapes differ: [4, 1] and [2, 2]");
  EXPECT_FALSE(found.tensors[1].equal());
  EXPECT_EQ(found.keys_different, (std::vector<std::string>{"other"}));
  EXPECT_EQ(found.keys_only_first, (std::vector<std::string>{"only.a"}));
  EXPECT_EQ(found.keys_only_second, (std::vector<std::string>{"only.b"}));
}

TEST(Compare, TakesWhatIsNoNumberOnOneSideForAnInfiniteError) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const GgufModel a = model_of({as_f32("v", {4}, {1, nan, 3, 4})});
  const ModelComparison found = compare(a, model_of({as_f32("v", {4}, {1, 2, 3, HUGE_VALF})}));
  EXPECT_EQ(found.tensors.at(0).nonfinite, 2u);
  EXPECT_EQ(found.tensors[0].sqnr_db, -HUGE_VAL);
  EXPECT_EQ(found.tensors[0].rmse, HUGE_VAL);
  EXPECT_FALSE(found.tensors[0].equal());
  EXPECT_TRUE(compare(a, a).tensors.at(0).equal());
}

TEST(Compare, ComparesTheBytesOfWhatCannotBeDecoded) {
  const auto model_with = [](std::byte last) {
    std::vector<std::byte> blocks(4 * row_bytes(DType::q8_k, 256), std::byte{0x21});
    blocks.at(7) = last;
    return model_of({{"blk.1.ffn_up.weight", std::make_shared<MemoryExpr>(Shape{4, 256}, DType::q8_k, blocks),
                      DType::q8_k}});
  };
  const GgufModel a = model_with(std::byte{1});
  EXPECT_TRUE(compare(a, model_with(std::byte{1})).tensors.at(0).equal());
  EXPECT_EQ(compare(a, model_with(std::byte{2})).tensors.at(0).problem,
            "cannot take Q8_K apart; the bytes differ");
}

TEST(Compare, FindsLayerAndRoleInAnyNames) {
  const GgufModel a = model_of({as_f32("model.layers.12.mlp.up_proj.weight", {4}, {1, 2, 3, 4}),
                                as_f32("encoder.layers.3.fc1.weight", {4}, {1, 2, 3, 4}),
                                as_f32("token_embd.weight", {4}, {1, 2, 3, 4})});
  const ModelComparison found = compare(a, a);
  EXPECT_EQ(found.tensors.at(0).layer, 12u);
  EXPECT_EQ(found.tensors[0].role, "mlp.up_proj");
  EXPECT_EQ(found.tensors.at(1).layer, 3u);
  EXPECT_EQ(found.tensors[1].role, "encoder.layers.fc1");
  EXPECT_FALSE(found.tensors.at(2).layer);
}

TEST(Compare, CountsValuesAndCodes) {
  const std::vector<float> values = weights(100 * 256, 1);
  const ModelComparison found = compare(
      model_of({as_f32("blk.0.ffn_up.weight", {100, 256}, values)}),
      model_of({in_memory("blk.0.ffn_up.weight", {100, 256}, DType::q4_k, values)}), {.histograms = true});
  const Histogram& histogram = found.tensors.at(0).histogram;
  const auto total = [](const auto& bins) {
    return std::accumulate(bins.begin(), bins.end(), std::uint64_t{0});
  };
  EXPECT_EQ(total(histogram.first), values.size());
  EXPECT_EQ(total(histogram.second), values.size());
  EXPECT_GE(histogram.limit, 0.99);
  std::uint64_t codes = 0;
  for (const auto& [code, count] : histogram.codes) codes += count;
  EXPECT_EQ(codes, values.size());
  EXPECT_EQ(histogram.codes.begin()->first, 0);
  EXPECT_EQ(histogram.codes.rbegin()->first, 15);
  // Evenly spread weights: the middle of the range is as full as the rest.
  EXPECT_NEAR(static_cast<double>(histogram.first[32]), static_cast<double>(values.size()) / 64, 100);
}

TEST(Compare, GivesTheSameForAnyThreadsAndBackend) {
  const std::vector<float> values = weights(3000 * 256, 1);
  const GgufModel a = model_of({in_memory("blk.0.ffn_up.weight", {3000, 256}, DType::bf16, values)});
  const GgufModel b = model_of({in_memory("blk.0.ffn_up.weight", {3000, 256}, DType::q5_k, values)});
  const ModelComparison one = compare(a, b, {.threads = 1, .histograms = true});
  for (const Backend& backend : list_backends()) {
    if (!backend.supported) continue;
    for (const unsigned threads : {2u, 7u}) {
      const ModelComparison other = compare_models(a, b, backend, {.threads = threads, .histograms = true},
                                                   silent_progress(), CancelToken());
      EXPECT_EQ(other.tensors[0].rmse, one.tensors[0].rmse);
      EXPECT_EQ(other.tensors[0].cosine, one.tensors[0].cosine);
      EXPECT_EQ(other.tensors[0].histogram.second, one.tensors[0].histogram.second);
      EXPECT_EQ(other.tensors[0].histogram.codes, one.tensors[0].histogram.codes);
    }
  }
}

}  // namespace
}  // namespace qtz
