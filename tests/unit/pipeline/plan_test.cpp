#include "qtz/pipeline/plan.h"

#include <gtest/gtest.h>

#include "planned_models.h"
#include "support/scratch_folder.h"

namespace qtz {
namespace {

using namespace qtz::test;

Error error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return Error(ErrorKind::usage, "");
}

/// A legacy importance file: per entry a name, one call and the values.
std::shared_ptr<const ImportanceMatrix> importance_of(
    const ScratchFolder& folder, const std::vector<std::pair<std::string, std::vector<float>>>& entries) {
  ByteWriter out;
  out.put(static_cast<std::int32_t>(entries.size()));
  for (const auto& [name, values] : entries) {
    out.put(static_cast<std::int32_t>(name.size()));
    out.put(std::string_view(name));
    out.put(std::int32_t{1});
    out.put(static_cast<std::int32_t>(values.size()));
    for (const float value : values) out.put(value);
  }
  out.put(std::int32_t{7});
  const std::string dataset = "/home/somebody/text.txt";
  out.put(static_cast<std::int32_t>(dataset.size()));
  out.put(std::string_view(dataset));
  const fs::path path = folder.path() / "im.dat";
  write_file(path, {reinterpret_cast<const char*>(out.bytes().data()), out.size()});
  return std::make_shared<const ImportanceMatrix>(path);
}

TEST(Plan, IsMadeOfHeaderTensorsAndPadding) {
  const QuantPlan plan = make_plan(dense_model(2), find_file_type("Q4_K_M"), {});
  ASSERT_EQ(plan.files.size(), 1u);
  std::uint64_t at = plan.files[0].header.size();
  std::uint64_t bytes = 0;
  for (const PlanEntry& entry : plan.entries) {
    EXPECT_EQ(entry.offset, at) << entry.name;
    EXPECT_EQ(entry.bytes, entry.expr->shape().rows() * row_bytes(entry.type, entry.expr->shape().cols()));
    at += (entry.bytes + 31) / 32 * 32;
    bytes += entry.bytes;
  }
  EXPECT_EQ(plan.files[0].bytes, at);
  EXPECT_EQ(plan.total_bytes, at);
  EXPECT_EQ(plan.tensor_bytes, bytes);
  EXPECT_DOUBLE_EQ(plan.bits_per_weight(),
                   static_cast<double>(bytes) * 8 / static_cast<double>(plan.parameters));
}

TEST(Plan, AddsFileTypeAndVersionsAndObeysOverrides) {
  GgufModel model = dense_model(1);
  model.metadata.set("split.count", std::uint16_t{3});
  PlanOptions options;
  options.override_kv.emplace_back("general.name", GgufValue("Mine"));
  const QuantPlan plan = make_plan(model, find_file_type("Q6_K"), options);
  EXPECT_EQ(plan.metadata.find("general.file_type")->as_uint(), 18u);
  EXPECT_EQ(plan.metadata.find("general.quantization_version")->as_uint(), 2u);
  EXPECT_EQ(*plan.metadata.find("general.name")->as_string(), "Mine");
  EXPECT_NE(plan.metadata.find("qtz.version"), nullptr);
  EXPECT_EQ(plan.metadata.find("split.count"), nullptr);
  EXPECT_EQ(plan.metadata.entries()[0].key, "general.architecture") << "the model's keys come first";
}

TEST(Overrides, KeepTheTypeOfAKeyThatIsThere) {
  GgufModel model = dense_model(1);
  model.metadata.set("a.u8", std::uint8_t{1});
  model.metadata.set("a.i32", std::int32_t{-1});
  model.metadata.set("a.u64", std::uint64_t{1});
  model.metadata.set("a.f32", 1.0f);
  model.metadata.set("a.list", std::vector<std::int32_t>{1, 2});
  const auto plan_with = [&](const char* key, GgufValue value) {
    PlanOptions options;
    options.override_kv.emplace_back(key, std::move(value));
    return make_plan(model, find_file_type("Q8_0"), options);
  };
  EXPECT_EQ(*plan_with("a.u8", std::uint32_t{255}).metadata.find("a.u8"), GgufValue(std::uint8_t{255}));
  EXPECT_EQ(*plan_with("a.i32", std::uint32_t{7}).metadata.find("a.i32"), GgufValue(std::int32_t{7}));
  EXPECT_EQ(*plan_with("a.i32", std::int32_t{-7}).metadata.find("a.i32"), GgufValue(std::int32_t{-7}));
  EXPECT_EQ(*plan_with("a.u64", std::uint32_t{7}).metadata.find("a.u64"), GgufValue(std::uint64_t{7}));
  EXPECT_EQ(*plan_with("a.new", std::int8_t{7}).metadata.find("a.new"), GgufValue(std::int8_t{7}));
  const std::vector<std::tuple<const char*, GgufValue, const char*>> refused = {
      {"general.architecture", std::uint32_t{5}, "the key's type is str, not u32"},
      {"general.file_type", "x", "the key's type is u32, not str"},
      {"llama.block_count", std::int32_t{1}, "the key's type is u32, not i32"},
      {"a.f32", std::uint32_t{1}, "the key's type is f32, not u32"},
      {"a.f32", true, "the key's type is f32, not bool"},
      {"a.u8", std::uint32_t{256}, "256 does not fit the key's type u8"},
      {"a.i32", std::uint32_t{2147483648u}, "2147483648 does not fit the key's type i32"},
      {"a.list", std::uint32_t{1}, "the key is an array"},
      {"general.alignment", std::uint32_t{48}, "power of two"},
      {"general.alignment", std::uint32_t{0}, "power of two"},
      {"general.alignment", std::uint64_t{64}, "power of two"},
  };
  for (const auto& [key, value, wanted] : refused) {
    const Error error = error_of([&, key = key, value = value] { plan_with(key, value); });
    EXPECT_EQ(error.kind(), ErrorKind::usage) << key;
    EXPECT_NE(error.message().find("--override-kv " + std::string(key) + ": "), std::string::npos);
    EXPECT_NE(error.message().find(wanted), std::string::npos) << error.message();
  }
}

TEST(Plan, ThatQuantizesNothingSaysSo) {
  const GgufModel model = model_of({planned("lora_A", {4, 256})});
  const QuantPlan plan = make_plan(model, find_file_type("Q8_0"), {});
  ASSERT_EQ(plan.warnings.size(), 1u);
  EXPECT_NE(plan.warnings[0].find("nothing is quantized"), std::string::npos);
  EXPECT_TRUE(make_plan(model, find_file_type("F16"), {}).warnings.empty());
}

TEST(Plan, OfOverriddenNumbersFollowsThem) {
  PlanOptions options;
  options.override_kv.emplace_back("llama.expert_count", GgufValue(std::uint32_t{8}));
  const QuantPlan plan = make_plan(dense_model(2), find_file_type("Q4_K_M"), options);
  EXPECT_EQ(entry_of(plan, "blk.0.attn_k.weight").type, DType::q8_0);
}

TEST(Importance, ReachesTensorsByNameAndDescribesItselfWithoutPaths) {
  const ScratchFolder folder;
  PlanOptions options;
  options.importance = importance_of(folder, {{"blk.0.attn_q.weight", std::vector<float>(256, 2.0f)},
                                              {"blk.1.attn_q.weight", std::vector<float>(256, 3.0f)}});
  const QuantPlan plan = make_plan(dense_model(2), find_file_type("Q4_K_M"), options);
  ASSERT_EQ(entry_of(plan, "blk.1.attn_q.weight").importance.size(), 256u);
  EXPECT_EQ(entry_of(plan, "blk.1.attn_q.weight").importance[5], 3.0f);
  EXPECT_TRUE(entry_of(plan, "blk.1.attn_k.weight").importance.empty());
  EXPECT_EQ(*plan.metadata.find("quantize.imatrix.file")->as_string(), "im.dat");
  EXPECT_EQ(*plan.metadata.find("quantize.imatrix.dataset")->as_string(), "text.txt");
  EXPECT_EQ(plan.metadata.find("quantize.imatrix.entries_count")->as_uint(), 2u);
  EXPECT_EQ(plan.metadata.find("quantize.imatrix.chunks_count")->as_uint(), 7u);
  EXPECT_EQ(plan.warnings.size(), 1u) << "tensors without values are told";
}

TEST(Importance, IsNarrowedByIncludeAndExclude) {
  const ScratchFolder folder;
  PlanOptions options;
  options.importance = importance_of(folder, {{"blk.0.attn_q.weight", std::vector<float>(256, 2.0f)},
                                              {"blk.1.attn_q.weight", std::vector<float>(256, 3.0f)}});
  options.include_weights = {"blk.1"};
  QuantPlan plan = make_plan(dense_model(2), find_file_type("Q4_K_M"), options);
  EXPECT_TRUE(entry_of(plan, "blk.0.attn_q.weight").importance.empty());
  EXPECT_FALSE(entry_of(plan, "blk.1.attn_q.weight").importance.empty());
  options.include_weights.clear();
  options.exclude_weights = {"attn_q"};
  plan = make_plan(dense_model(2), find_file_type("Q4_K_M"), options);
  EXPECT_TRUE(entry_of(plan, "blk.1.attn_q.weight").importance.empty());
  EXPECT_EQ(plan.metadata.find("quantize.imatrix.file"), nullptr) << "nothing of it is in use";
}

TEST(Importance, OfAnotherModelIsRefused) {
  const ScratchFolder folder;
  PlanOptions options;
  options.importance = importance_of(folder, {{"unrelated.weight", {1.0f}}, {"blk.9.attn_q.weight", {1.0f}}});
  const Error error = error_of([&] { make_plan(dense_model(2), find_file_type("Q4_0"), options); });
  EXPECT_EQ(error.kind(), ErrorKind::input_invalid);
  EXPECT_NE(error.message().find("im.dat: the importance matrix is of another model"), std::string::npos);
  EXPECT_NE(error.message().find("'unrelated.weight'"), std::string::npos) << error.message();
}

TEST(Importance, SteersAndIsNamedOnlyWhenAnEntryIsUsed) {
  const ScratchFolder folder;
  PlanOptions options;
  options.importance = importance_of(
      folder, {{"blk.7.attn_q.weight", std::vector<float>(256, 1.0f)}, {"unrelated.weight", {1.0f}}});
  const auto plan = [&] { return make_plan(dense_model(8), find_file_type("Q4_0"), options); };
  EXPECT_EQ(entry_of(plan(), "blk.0.ffn_down.weight").type, DType::q4_1);
  EXPECT_EQ(plan().metadata.find("quantize.imatrix.entries_count")->as_uint(), 2u)
      << "as llama-quantize counts";
  options.include_weights = {"unrelated"};
  EXPECT_EQ(entry_of(plan(), "blk.0.ffn_down.weight").type, DType::q4_0);
  EXPECT_EQ(plan().metadata.find("quantize.imatrix.file"), nullptr);
  ASSERT_EQ(plan().warnings.size(), 1u);
  EXPECT_NE(plan().warnings[0].find("changes nothing"), std::string::npos);
}

TEST(Importance, WordsThatAreInNoNameAreRefused) {
  const ScratchFolder folder;
  PlanOptions options;
  options.importance = importance_of(folder, {{"blk.0.attn_q.weight", std::vector<float>(256, 2.0f)}});
  for (auto* words : {&options.include_weights, &options.exclude_weights}) {
    *words = {"atn_q"};
    const Error error = error_of([&] { make_plan(dense_model(2), find_file_type("Q8_0"), options); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_NE(error.message().find("clude-weights 'atn_q' is part of no name"), std::string::npos);
    EXPECT_NE(error.message().find("did you mean attn_q?"), std::string::npos) << error.message();
    words->clear();
  }
}

TEST(Importance, OfTheWrongSizeIsRefusedExceptForEmbeddings) {
  const ScratchFolder folder;
  PlanOptions options;
  options.importance = importance_of(folder, {{"token_embd.weight", std::vector<float>(512, 2.0f)}});
  EXPECT_TRUE(entry_of(make_plan(dense_model(1), find_file_type("Q4_0"), options), "token_embd.weight")
                  .importance.empty());
  options.importance = importance_of(folder, {{"blk.0.attn_q.weight", std::vector<float>(255, 2.0f)}});
  const Error error = error_of([&] { make_plan(dense_model(1), find_file_type("Q4_0"), options); });
  EXPECT_EQ(error.kind(), ErrorKind::input_invalid);
  EXPECT_NE(error.message().find("'blk.0.attn_q.weight' has 255 importance values"), std::string::npos);
}

TEST(Importance, OfExpertsIsOneSetEach) {
  const ScratchFolder folder;
  PlanOptions options;
  const GgufModel model = model_of({planned("blk.0.ffn_up_exps.weight", {4, 32, 64})});
  options.importance = importance_of(folder, {{"blk.0.ffn_up_exps.weight", std::vector<float>(256, 1.0f)}});
  EXPECT_EQ(make_plan(model, find_file_type("Q4_0"), options).entries[0].importance.size(), 256u);
  options.importance = importance_of(folder, {{"blk.0.ffn_up_exps.weight", std::vector<float>(64, 1.0f)}});
  EXPECT_EQ(error_of([&] { make_plan(model, find_file_type("Q4_0"), options); }).kind(),
            ErrorKind::input_invalid);
}

TEST(Importance, IsRequiredByTheSmallestTypeForAllButEmbeddings) {
  const Error error = error_of([] { make_plan(dense_model(2), find_file_type("Q2_K_S"), {}); });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_NE(error.message().find("'blk.0"), 0u);
  EXPECT_NE(error.message().find("blk.0.attn_k.weight"), std::string::npos) << error.message();
  EXPECT_EQ(error.message().find("token_embd"), std::string::npos);
  EXPECT_NE(error.hint().find("--imatrix"), std::string::npos);
}

TEST(Importance, ChangesTheMixOfTheFirstLayers) {
  const ScratchFolder folder;
  PlanOptions options;
  options.importance = importance_of(folder, {{"blk.7.attn_q.weight", std::vector<float>(256, 1.0f)}});
  EXPECT_EQ(
      entry_of(make_plan(dense_model(8), find_file_type("Q4_0"), options), "blk.0.ffn_down.weight").type,
      DType::q4_1);
  EXPECT_EQ(entry_of(make_plan(dense_model(8), find_file_type("Q4_0"), {}), "blk.0.ffn_down.weight").type,
            DType::q4_0);
}

TEST(Pruning, RenumbersBlocksAndLooksImportanceUpByOldNames) {
  const ScratchFolder folder;
  GgufModel model = dense_model(4);
  model.metadata.set("llama.feed_forward_length", std::vector<std::int32_t>{10, 11, 12, 13});
  model.metadata.set("llama.rope.dimension_sections", std::vector<std::int32_t>{1, 2, 3, 4});
  PlanOptions options;
  options.prune_layers = {2, 0};
  options.importance = importance_of(folder, {{"blk.3.attn_q.weight", std::vector<float>(256, 3.0f)}});
  const QuantPlan plan = make_plan(model, find_file_type("Q8_0"), options);
  EXPECT_EQ(plan.entries.size(), 3u + 2 * 8);
  EXPECT_EQ(entry_of(plan, "blk.0.attn_q.weight").expr, model.tensors[3 + 8 + 1].expr);
  EXPECT_EQ(entry_of(plan, "blk.1.attn_q.weight").importance.size(), 256u);
  EXPECT_TRUE(entry_of(plan, "blk.0.attn_q.weight").importance.empty());
  EXPECT_EQ(plan.metadata.find("llama.block_count")->as_uint(), 2u);
  EXPECT_EQ(*plan.metadata.find("llama.feed_forward_length"), GgufValue(std::vector<std::int32_t>{11, 13}));
  EXPECT_EQ(plan.metadata.find("llama.rope.dimension_sections")->as_array()->size(), 4u);
}

TEST(Pruning, RefusesLayersThatDoNotExistAndAllOfThem) {
  PlanOptions options;
  options.prune_layers = {9};
  const Error error = error_of([&] { make_plan(dense_model(4), find_file_type("Q8_0"), options); });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_NE(error.message().find("no layer 9, the model has layers 0 to 3"), std::string::npos);
  options.prune_layers = {0, 1, 2, 3};
  EXPECT_EQ(error_of([&] { make_plan(dense_model(4), find_file_type("Q8_0"), options); }).kind(),
            ErrorKind::usage);
}

TEST(Requantizing, NeedsPermissionUnlessTheTypeStays) {
  GgufModel model = model_of({planned("blk.0.attn_q.weight", {64, 256}, DType::q4_k)});
  model.from_gguf = true;
  EXPECT_TRUE(make_plan(model, find_file_type("Q4_K_S"), {}).entries[0].copied());
  const Error error = error_of([&] { make_plan(model, find_file_type("Q8_0"), {}); });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_NE(error.message().find("'blk.0.attn_q.weight' is already quantized (Q4_K)"), std::string::npos);
  EXPECT_NE(error.hint().find("--allow-requantize"), std::string::npos);
  PlanOptions options;
  options.allow_requantize = true;
  EXPECT_EQ(make_plan(model, find_file_type("Q8_0"), options).entries[0].type, DType::q8_0);
}

TEST(Requantizing, OfATypeThatCanOnlyBeCopiedIsRefusedUnlessItIsCopied) {
  GgufModel model = model_of({planned("output.weight", {64, 256}, DType::q8_1),
                              planned("blk.0.attn_q.weight", {64, 256}, DType::bf16),
                              planned("blk.0.attn_norm.weight", {256}, DType::q8_k)});
  model.from_gguf = true;
  for (const bool allow : {false, true}) {
    PlanOptions options;
    options.allow_requantize = allow;
    const Error error = error_of([&] { make_plan(model, find_file_type("Q8_0"), options); });
    EXPECT_EQ(error.kind(), ErrorKind::input_invalid);
    EXPECT_NE(error.message().find("tensor 'output.weight' is Q8_1, which qtz can copy but not decode"),
              std::string::npos)
        << error.message();
    EXPECT_NE(error.message().find("Q8_0"), std::string::npos);
    EXPECT_NE(error.hint().find("16-bit model"), std::string::npos);
    options.types.leave_output_tensor = true;
    const QuantPlan plan = make_plan(model, find_file_type("Q8_0"), options);
    EXPECT_TRUE(entry_of(plan, "output.weight").copied());
    EXPECT_TRUE(entry_of(plan, "blk.0.attn_norm.weight").copied());
  }
}

std::vector<std::uint64_t> data_bytes_of_files(const QuantPlan& plan) {
  std::vector<std::uint64_t> bytes;
  for (const PlanFile& file : plan.files) bytes.push_back(file.bytes - file.header.size());
  return bytes;
}

TEST(SplitBySize, FillsFilesInOrderUpToTheSize) {
  // Q8_0: 64 x 256 weights are 17408 bytes, a vector of 256 floats 1024.
  const GgufModel model =
      model_of({planned("blk.0.a.weight", {64, 256}), planned("blk.0.b.weight", {64, 256}),
                planned("blk.1.a.weight", {64, 256}), planned("output_norm.weight", {256}, DType::f32)});
  const auto plan = [&](std::uint64_t bytes) {
    PlanOptions options;
    options.split_max_bytes = bytes;
    return make_plan(model, find_file_type("Q8_0"), options);
  };
  using Sizes = std::vector<std::uint64_t>;
  EXPECT_EQ(data_bytes_of_files(plan(2 * 17408)), (Sizes{1024 + 17408, 2 * 17408}));
  EXPECT_EQ(data_bytes_of_files(plan(1024 + 2 * 17408)), (Sizes{1024 + 2 * 17408, 17408}));
  EXPECT_EQ(data_bytes_of_files(plan(1024 + 2 * 17408 - 1)), (Sizes{1024 + 17408, 2 * 17408}));
  EXPECT_EQ(data_bytes_of_files(plan(1)), (Sizes{1024, 17408, 17408, 17408})) << "a larger tensor is alone";
  const QuantPlan whole = make_plan(model, find_file_type("Q8_0"), {});
  const QuantPlan fits = plan(1024 + 3 * 17408);
  ASSERT_EQ(fits.files.size(), 1u);
  EXPECT_EQ(fits.files[0].header, whole.files[0].header) << "one file is a normal file";

  const QuantPlan split = plan(20000);
  EXPECT_EQ(split.files.size(), 3u);
  EXPECT_EQ(split.total_bytes, split.files[0].bytes + split.files[1].bytes + split.files[2].bytes);
  EXPECT_EQ(entry_of(split, "blk.1.a.weight").offset, split.files[2].header.size());
}

TEST(SplitBySize, CountsPadding) {
  const GgufModel model = model_of({planned("a", {5}, DType::f32), planned("b", {5}, DType::f32)});
  PlanOptions options;
  options.split_max_bytes = 63;
  EXPECT_EQ(make_plan(model, find_file_type("Q8_0"), options).files.size(), 2u);
  options.split_max_bytes = 64;
  EXPECT_EQ(make_plan(model, find_file_type("Q8_0"), options).files.size(), 1u);
}

TEST(SplitByCount, FillsFilesWithThatManyTensors) {
  const GgufModel model = model_of({planned("a", {5}, DType::f32), planned("b", {5}, DType::f32),
                                    planned("c", {5}, DType::f32), planned("d", {5}, DType::f32)});
  const auto files = [&](std::uint64_t count) {
    PlanOptions options;
    options.split_max_tensors = count;
    return make_plan(model, find_file_type("Q8_0"), options);
  };
  EXPECT_EQ(files(4).files.size(), 1u);
  EXPECT_EQ(files(3).files.size(), 2u);
  EXPECT_EQ(files(2).files.size(), 2u);
  EXPECT_EQ(files(1).files.size(), 4u);
  EXPECT_EQ(entry_of(files(3), "d").file, 1u);
  EXPECT_EQ(entry_of(files(3), "c").file, 0u);
}

TEST(NoTensorFirstSplit, HasTheMetadataInAFileOfItsOwn) {
  const GgufModel model = model_of({planned("a", {5}, DType::f32), planned("b", {5}, DType::f32)});
  PlanOptions options;
  options.no_tensor_first_split = true;
  const QuantPlan whole = make_plan(model, find_file_type("Q8_0"), options);
  ASSERT_EQ(whole.files.size(), 2u);
  EXPECT_EQ(whole.files[0].bytes, whole.files[0].header.size());
  EXPECT_EQ(entry_of(whole, "a").file, 1u);
  options.split_max_tensors = 1;
  const QuantPlan split = make_plan(model, find_file_type("Q8_0"), options);
  ASSERT_EQ(split.files.size(), 3u);
  EXPECT_EQ(entry_of(split, "b").file, 2u);
}

TEST(KeepSplit, GivesOneFileForEveryInputFileInItsOrder) {
  GgufModel model = model_of({planned("blk.0.attn_q.weight", {64, 256}, DType::bf16, 0, 900),
                              planned("token_embd.weight", {64, 256}, DType::bf16, 2, 0),
                              planned("blk.0.attn_k.weight", {64, 256}, DType::bf16, 0, 100)});
  PlanOptions options;
  options.keep_split = true;
  const QuantPlan plan = make_plan(model, find_file_type("Q8_0"), options);
  ASSERT_EQ(plan.files.size(), 2u) << "the second input file holds nothing";
  EXPECT_EQ(plan.entries[0].name, "blk.0.attn_k.weight");
  EXPECT_EQ(plan.entries[1].name, "blk.0.attn_q.weight");
  EXPECT_EQ(plan.entries[2].file, 1u);
  EXPECT_EQ(plan.entries[2].offset, plan.files[1].header.size());
  EXPECT_EQ(plan.total_bytes, plan.files[0].bytes + plan.files[1].bytes);
  EXPECT_EQ(make_plan(model, find_file_type("Q8_0"), {}).files.size(), 1u);
}

GgufModel nvfp4_model() {
  return model_of({planned("output.weight", {512, 256}), planned("blk.0.attn_norm.weight", {256}, DType::f32),
                   planned("blk.0.attn_q.weight", {256, 256}, DType::nvfp4),
                   planned("blk.0.attn_q.scale", {1}, DType::f32),
                   planned("blk.0.ffn_up.weight", {256, 256})});
}

TEST(Nvfp4File, KeepsBlocksAndLeavesTheRestInSixteenBits) {
  const QuantPlan plan = make_plan(nvfp4_model(), find_file_type("NVFP4"), {});
  EXPECT_TRUE(entry_of(plan, "blk.0.attn_q.weight").copied());
  EXPECT_EQ(entry_of(plan, "blk.0.attn_q.weight").type, DType::nvfp4);
  EXPECT_EQ(entry_of(plan, "blk.0.attn_q.scale").type, DType::f32);
  EXPECT_EQ(entry_of(plan, "blk.0.ffn_up.weight").type, DType::bf16);
  EXPECT_EQ(entry_of(plan, "output.weight").type, DType::bf16);
  EXPECT_EQ(plan.metadata.find("general.file_type")->as_uint(), 39u);
  EXPECT_TRUE(plan.warnings.empty());
  PlanOptions pure;
  pure.types.pure = true;
  EXPECT_EQ(entry_of(make_plan(nvfp4_model(), find_file_type("NVFP4"), pure), "output.weight").type,
            DType::nvfp4);
}

TEST(Nvfp4File, IsWarnedOfWhereNothingIsStoredSo) {
  const QuantPlan plan = make_plan(dense_model(1), find_file_type("NVFP4"), {});
  EXPECT_EQ(entry_of(plan, "blk.0.ffn_up.weight").type, DType::nvfp4);
  ASSERT_FALSE(plan.warnings.empty());
  EXPECT_NE(plan.warnings.front().find("without a scale for the whole tensor"), std::string::npos);
}

TEST(Nvfp4File, KeepsAnOutputWhoseScaleNoOtherTypeHas) {
  GgufModel model = nvfp4_model();
  model.tensors[0] = planned("output.weight", {512, 256}, DType::nvfp4);
  PlanOptions options;
  options.allow_requantize = true;
  options.types.output_tensor_type = DType::q8_0;
  EXPECT_NO_THROW(make_plan(model, find_file_type("Q8_0"), options)) << "without a scale it is as any other";
  model.tensors.push_back(planned("output.scale", {1}, DType::f32));
  const Error error = error_of([&] { make_plan(model, find_file_type("Q8_0"), options); });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_NE(error.message().find("has a scale beside it, 'output.scale'"), std::string::npos);
  EXPECT_NO_THROW(make_plan(model, find_file_type("NVFP4"), {}));
}

}  // namespace
}  // namespace qtz
