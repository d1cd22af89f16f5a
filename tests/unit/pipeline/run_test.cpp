#include "qtz/pipeline/run.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <fstream>
#include <limits>
#include <mutex>

#include "memory_models.h"
#include "qtz/core/half.h"
#include "qtz/formats/gguf.h"
#include "support/scratch_folder.h"
#include "support/silent_progress.h"

namespace qtz {
namespace {

using namespace qtz::test;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
const float kNan = std::nanf("");

GgufModel small_model(DType type = DType::bf16) {
  return model_of({in_memory("output.weight", {96, 256}, type, weights(96 * 256, 1)),
                   in_memory("output_norm.weight", {256}, DType::f32, weights(256, 2)),
                   in_memory("blk.0.ffn_down.weight", {200, 512}, type, weights(200 * 512, 3)),
                   in_memory("blk.0.attn_v.weight", {1000, 256}, type, weights(1000 * 256, 4)),
                   in_memory("blk.0.odd.weight", {33, 31}, type, weights(33 * 31, 5)),
                   in_memory("blk.0.ffn_up_exps.weight", {3, 70, 256}, type, weights(3 * 70 * 256, 6))});
}

RunResult run(const QuantPlan& plan, const fs::path& output, const Backend& backend = scalar(),
              RunOptions options = {}) {
  return execute({&plan, 1}, {&output, 1}, backend, options, silent_progress(), CancelToken());
}

Error error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return Error(ErrorKind::usage, "");
}

TEST(Run, WritesHeaderTensorsAndZeroPadding) {
  const ScratchFolder folder;
  const QuantPlan plan = make_plan(small_model(), find_file_type("Q8_0"), {});
  const RunResult result = run(plan, folder.path() / "out.gguf");
  const std::string file = read_file(folder.path() / "out.gguf");
  ASSERT_EQ(file.size(), plan.total_bytes);
  EXPECT_EQ(result.output_bytes, plan.total_bytes);
  EXPECT_EQ(folder.count(), 1u);

  std::string expected(plan.total_bytes, '\0');
  std::memcpy(expected.data(), plan.files[0].header.data(), plan.files[0].header.size());
  for (const PlanEntry& entry : plan.entries) {
    const Shape& shape = entry.expr->shape();
    std::vector<std::byte> stored(shape.rows() * row_bytes(entry.expr->dtype(), shape.cols()));
    entry.expr->read_rows(0, shape.rows(), stored);
    std::vector<float> values(shape.elements());
    scalar().decode(entry.expr->dtype(), stored.data(), values.data(), values.size());
    const auto bytes = stored_as(entry.type, values, shape.cols());
    ASSERT_EQ(bytes.size(), entry.bytes);
    std::memcpy(expected.data() + entry.offset, bytes.data(), bytes.size());
  }
  EXPECT_TRUE(file == expected);
}

TEST(Run, CopiesTensorsThatKeepTheirTypeByteForByte) {
  const ScratchFolder folder;
  GgufModel model = small_model();
  const std::vector<std::byte> codes(64, std::byte{0xFF});
  model.tensors.push_back({"codes", std::make_shared<MemoryExpr>(Shape{8}, DType::i64, codes), DType::i64});
  const QuantPlan plan = make_plan(model, find_file_type("BF16"), {});
  run(plan, folder.path() / "out.gguf");
  const std::string file = read_file(folder.path() / "out.gguf");
  for (const PlanEntry& entry : plan.entries) {
    EXPECT_TRUE(entry.copied()) << entry.name;
    std::vector<std::byte> stored(entry.bytes);
    entry.expr->read_rows(0, entry.expr->shape().rows(), stored);
    EXPECT_EQ(std::memcmp(file.data() + entry.offset, stored.data(), stored.size()), 0) << entry.name;
  }
}

TEST(Run, GivesTheSameBytesForAnyThreadsAndBackend) {
  const ScratchFolder folder;
  for (const FileType& type : list_file_types()) {
    if (wants_importance(type)) continue;
    const QuantPlan plan = make_plan(small_model(), type, {});
    run(plan, folder.path() / "reference", scalar(), {.threads = 1, .overwrite = true});
    const std::string reference = read_file(folder.path() / "reference");
    for (const Backend& backend : list_backends()) {
      if (!backend.supported) continue;
      for (const unsigned threads : {1u, 2u, 7u, 64u}) {
        run(plan, folder.path() / "other", backend, {.threads = threads, .overwrite = true});
        EXPECT_TRUE(read_file(folder.path() / "other") == reference)
            << type.name << " " << backend.name << " " << threads;
      }
    }
  }
}

TEST(Run, OfSeveralPlansGivesWhatSingleRunsGive) {
  const ScratchFolder folder;
  const GgufModel model = small_model(DType::f16);
  std::vector<QuantPlan> plans;
  std::vector<fs::path> outputs;
  for (const char* type : {"Q4_0", "F16", "Q8_0", "F32"}) {
    plans.push_back(make_plan(model, find_file_type(type), {}));
    outputs.push_back(folder.path() / type);
  }
  const RunResult result = execute(plans, outputs, scalar(), {}, silent_progress(), CancelToken());
  EXPECT_EQ(result.outputs, outputs);
  for (std::size_t i = 0; i < plans.size(); ++i) {
    run(plans[i], folder.path() / "single", scalar(), {.overwrite = true});
    EXPECT_TRUE(read_file(outputs[i]) == read_file(folder.path() / "single")) << outputs[i];
  }
}

TEST(Run, OfExpertsUsesTheImportanceOfEach) {
  const ScratchFolder folder;
  const auto values = weights(2 * 40 * 64, 9);
  std::vector<float> importance = weights(2 * 64, 10);
  for (float& value : importance) value = std::fabs(value);
  QuantPlan plan = make_plan(model_of({in_memory("e.weight", {2, 40, 64}, DType::f32, values)}),
                             find_file_type("Q4_0"), {});
  plan.entries[0].importance = importance;
  run(plan, folder.path() / "out.gguf");
  const std::string file = read_file(folder.path() / "out.gguf");
  for (std::size_t expert = 0; expert < 2; ++expert) {
    std::vector<std::byte> wanted(40 * row_bytes(DType::q4_0, 64));
    scalar().encode(DType::q4_0, values.data() + expert * 40 * 64, importance.data() + expert * 64, 40, 64,
                    wanted.data());
    EXPECT_EQ(std::memcmp(file.data() + plan.entries[0].offset + expert * wanted.size(), wanted.data(),
                          wanted.size()),
              0);
  }
}

/// Whole numbers up to 127 with a 127 in each block: what Q8_0 holds exactly.
std::vector<float> exact_in_q8_0(std::uint64_t count) {
  std::vector<float> values(count);
  for (std::uint64_t i = 0; i < count; ++i) values[i] = static_cast<float>(i % 32 == 0 ? 127 : i % 101);
  return values;
}

TEST(Run, NamesTheTensorsThatLoseMost) {
  // One large value in each block leaves the others few steps.
  std::vector<float> spiky = weights(4096 * 256, 3);
  for (std::size_t i = 0; i < spiky.size(); i += 32) spiky[i] = 20;
  const GgufModel model =
      model_of({in_memory("blk.0.attn_k.weight", {4096, 256}, DType::f32, weights(4096 * 256, 1)),
                in_memory("blk.0.attn_v.weight", {4096, 256}, DType::f32, spiky),
                in_memory("blk.0.ffn_up.weight", {64, 256}, DType::f32, weights(64 * 256, 2)),
                in_memory("blk.0.ffn_down.weight", {64, 256}, DType::f32, exact_in_q8_0(64 * 256))});
  const QuantPlan plan = make_plan(model, find_file_type("Q8_0"), {});
  std::vector<double> first;
  for (const unsigned threads : {1u, 7u}) {
    const ScratchFolder folder;
    const fs::path output = folder.path() / "out.gguf";
    const RunResult result =
        execute({&plan, 1}, {&output, 1}, scalar(), {.threads = threads}, silent_progress(), CancelToken());
    ASSERT_EQ(result.worst.size(), 1u);
    const std::vector<SampledError>& worst = result.worst.front();
    ASSERT_EQ(worst.size(), 3u);
    EXPECT_EQ(worst[0].name, "blk.0.attn_v.weight");
    EXPECT_EQ(worst[0].type, DType::q8_0);
    // 32 values between -1 and 1 without the largest have 31/3 of signal, an error of 1/12 of a squared step.
    const double step = 20.0 / 127, signal = 400 + 31.0 / 3, noise = 31 * step * step / 12;
    EXPECT_NEAR(worst[0].sqnr_db, 10 * std::log10(signal / noise), 0.5);
    std::vector<double> found;
    for (const SampledError& each : worst) found.push_back(each.sqnr_db);
    if (first.empty()) first = found;
    EXPECT_EQ(found, first);
  }
}

TEST(Run, OfVeryLongVectorsCutsThem) {
  const ScratchFolder folder;
  const std::uint64_t cols = 1'000'003;
  const QuantPlan plan = make_plan(model_of({in_memory("x.bias", {cols}, DType::f32, weights(cols, 11))}),
                                   find_file_type("Q8_0"), {});
  EXPECT_LT(working_memory(plan, 1), 1'000'000u) << "a quarter of the row";
  run(plan, folder.path() / "out.gguf");
  std::vector<std::byte> stored(cols * 4);
  plan.entries[0].expr->read_rows(0, 1, stored);
  EXPECT_EQ(std::memcmp(read_file(folder.path() / "out.gguf").data() + plan.entries[0].offset, stored.data(),
                        stored.size()),
            0);
}

struct BadValue {
  float value;
  const char* word;
};

TEST(Nonfinite, WeightsAreRefusedWithCountAndPosition) {
  const ScratchFolder folder;
  for (const DType type : {DType::f32, DType::f16, DType::bf16}) {
    for (const BadValue& bad : {BadValue{kNan, "1 NaN value"}, BadValue{kInfinity, "1 infinite value"},
                                BadValue{-kInfinity, "1 infinite value"}}) {
      for (const std::uint64_t at : {0u, 1u, 17u, 255u, 256u * 999 + 255}) {
        auto values = weights(1000 * 256, 4);
        values[at] = bad.value;
        for (const char* file_type : {"Q8_0", "F32", "F16", "BF16"}) {
          const QuantPlan plan =
              make_plan(model_of({in_memory("blk.0.attn_v.weight", {1000, 256}, type, values)}),
                        find_file_type(file_type), {});
          const Error error = error_of([&] { run(plan, folder.path() / "out.gguf"); });
          EXPECT_EQ(error.kind(), ErrorKind::numeric);
          const std::string wanted = std::string("has ") + bad.word + " (first at [" +
                                     std::to_string(at / 256) + ", " + std::to_string(at % 256) + "])";
          EXPECT_NE(error.message().find(wanted), std::string::npos) << error.message();
          EXPECT_NE(error.message().find("'blk.0.attn_v.weight'"), std::string::npos);
          EXPECT_NE(error.hint().find("--on-nan"), std::string::npos);
        }
      }
    }
  }
  EXPECT_EQ(folder.count(), 0u);
}

TEST(Nonfinite, WeightsOfTheWholeTensorAreCountedAndTheFirstBadTensorIsNamed) {
  const ScratchFolder folder;
  auto first = weights(1000 * 256, 4);
  for (std::size_t at = 70; at < first.size(); at += 1000) first[at] = kNan;
  first[255'000] = kInfinity;
  auto second = weights(1000 * 256, 5);
  second[0] = kNan;
  const QuantPlan plan =
      make_plan(model_of({in_memory("blk.1.attn_v.weight", {1000, 256}, DType::f32, second),
                          in_memory("blk.0.attn_v.weight", {1000, 256}, DType::f32, first)}),
                find_file_type("Q8_0"), {});
  for (const unsigned threads : {1u, 2u, 7u}) {
    const Error error =
        error_of([&] { run(plan, folder.path() / "out.gguf", scalar(), {.threads = threads}); });
    EXPECT_NE(
        error.message().find(
            "'blk.0.attn_v.weight' (from 'stored') has 256 NaN and 1 infinite values (first at [0, 70])"),
        std::string::npos)
        << error.message();
  }
}

TEST(Nonfinite, WeightsCanBeKeptIsSaidOnlyWhereEveryTargetCan) {
  const ScratchFolder folder;
  auto values = weights(64 * 256, 4);
  values[300] = kNan;
  const GgufModel model = model_of({in_memory("a.weight", {64, 256}, DType::f32, values)});
  const auto hint_of = [&](const std::vector<const char*>& types) {
    std::vector<QuantPlan> plans;
    std::vector<fs::path> outputs;
    for (const char* type : types) {
      plans.push_back(make_plan(model, find_file_type(type), {}));
      outputs.push_back(folder.path() / type);
    }
    return error_of([&] { execute(plans, outputs, scalar(), {}, silent_progress(), CancelToken()); }).hint();
  };
  EXPECT_NE(hint_of({"F16"}).find("--on-nan keep"), std::string::npos);
  for (const auto& types : {std::vector{"Q8_0"}, std::vector{"F16", "Q8_0"}}) {
    EXPECT_NE(hint_of(types).find("--on-nan zero"), std::string::npos);
    EXPECT_EQ(hint_of(types).find("keep"), std::string::npos);
  }
}

TEST(Nonfinite, WeightsBecomeZeroOnDemand) {
  const ScratchFolder folder;
  auto values = weights(64 * 256, 4);
  auto zeroed = values;
  values[300] = kNan;
  values[5000] = -kInfinity;
  zeroed[300] = zeroed[5000] = 0;
  for (const DType type : {DType::f32, DType::bf16}) {
    for (const char* file_type : {"Q8_0", "F32", "BF16", "F16"}) {
      PlanOptions options;
      options.on_nan = OnNan::zero;
      const auto plan_of = [&](const std::vector<float>& each) {
        return make_plan(model_of({in_memory("a.weight", {64, 256}, type, each)}), find_file_type(file_type),
                         options);
      };
      EXPECT_EQ(run(plan_of(values), folder.path() / "a", scalar(), {.overwrite = true}).replaced_nonfinite,
                2u);
      EXPECT_EQ(run(plan_of(zeroed), folder.path() / "b", scalar(), {.overwrite = true}).replaced_nonfinite,
                0u);
      EXPECT_TRUE(read_file(folder.path() / "a") == read_file(folder.path() / "b"))
          << name_of(type) << " " << file_type;
    }
  }
}

TEST(Nonfinite, WeightsAreKeptWhereTheTypeCanHoldThemAndRefusedWhereNot) {
  const ScratchFolder folder;
  auto values = weights(64 * 256, 4);
  values[300] = kNan;
  values[301] = -kInfinity;
  PlanOptions options;
  options.on_nan = OnNan::keep;
  const GgufModel model = model_of({in_memory("a.weight", {64, 256}, DType::f32, values)});
  const QuantPlan half = make_plan(model, find_file_type("F16"), options);
  run(half, folder.path() / "half");
  const std::string file = read_file(folder.path() / "half");
  const auto* at = reinterpret_cast<const std::byte*>(file.data()) + half.entries[0].offset + 600;
  EXPECT_TRUE(std::isnan(f16_to_f32(load_le<std::uint16_t>(at))));
  EXPECT_EQ(f16_to_f32(load_le<std::uint16_t>(at + 2)), -kInfinity);

  const Error error =
      error_of([&] { run(make_plan(model, find_file_type("Q8_0"), options), folder.path() / "q8"); });
  EXPECT_EQ(error.kind(), ErrorKind::numeric);
  EXPECT_NE(error.message().find("which Q8_0 cannot hold"), std::string::npos);
}

TEST(TooLarge, WeightsNeverBecomeInfinite) {
  const ScratchFolder folder;
  for (const FileType& type : list_file_types()) {
    if (wants_importance(type)) continue;
    auto values = weights(64 * 256, 4);
    values[700] = 1e38f;
    const GgufModel model =
        model_of({in_memory("a.weight", {64, 256}, DType::f32, values),
                  in_memory("output.weight", {64, 256}, DType::f32, weights(64 * 256, 5))});
    const QuantPlan plan = make_plan(model, type, {});
    if (type.name == "F32" || type.name == "BF16") {
      EXPECT_NO_THROW(run(plan, folder.path() / "fits", scalar(), {.overwrite = true}));
      continue;
    }
    const Error error = error_of([&] { run(plan, folder.path() / "out"); });
    EXPECT_EQ(error.kind(), ErrorKind::numeric) << type.name;
    EXPECT_NE(error.message().find("'a.weight'"), std::string::npos) << error.message();
    EXPECT_NE(error.message().find("too large for"), std::string::npos) << error.message();
  }
  EXPECT_EQ(folder.count(), 1u);
}

TEST(TooLarge, IsFollowedByARuleThatHelps) {
  const ScratchFolder folder;
  auto values = weights(64 * 256, 4);
  values[700] = 1e38f;
  const GgufModel model = model_of({in_memory("it's (a).weight", {64, 256}, DType::f32, values)});
  const Error error =
      error_of([&] { run(make_plan(model, find_file_type("Q8_0"), {}), folder.path() / "out"); });
  const std::string hint = error.hint();
  const auto first = hint.find('\'');
  const auto last = hint.rfind('\'');
  ASSERT_NE(first, last) << hint;
  PlanOptions options;
  options.types.tensor_rules.push_back(parse_type_rule(hint.substr(first + 1, last - first - 1)));
  EXPECT_NO_THROW(run(make_plan(model, find_file_type("Q8_0"), options), folder.path() / "out")) << hint;
}

TEST(TooLarge, OfATensorThatFollowsNoRuleNamesAFileType) {
  const ScratchFolder folder;
  auto values = weights(64 * 256, 4);
  values[700] = 1e38f;
  const GgufModel model = model_of({in_memory("a.bias", {64, 256}, DType::f32, values)});
  const Error error =
      error_of([&] { run(make_plan(model, find_file_type("F16"), {}), folder.path() / "out"); });
  EXPECT_NE(error.hint().find("--type BF16"), std::string::npos) << error.hint();
  EXPECT_NO_THROW(run(make_plan(model, find_file_type("BF16"), {}), folder.path() / "out"));
}

TEST(TooLarge, IsNotSaidOfWeightsThatFit) {
  const ScratchFolder folder;
  auto values = weights(64 * 256, 4);
  values[700] = 60000.0f;
  const QuantPlan plan =
      make_plan(model_of({in_memory("a.weight", {64, 256}, DType::f32, values)}), find_file_type("Q8_0"), {});
  EXPECT_NO_THROW(run(plan, folder.path() / "out"));
}

TEST(Outputs, ExistingFilesStayUnlessOverwritingIsAllowed) {
  const ScratchFolder folder;
  write_file(folder.path() / "out.gguf", "precious");
  const QuantPlan plan = make_plan(small_model(), find_file_type("Q8_0"), {});
  EXPECT_EQ(error_of([&] { run(plan, folder.path() / "out.gguf"); }).kind(), ErrorKind::output);
  EXPECT_EQ(read_file(folder.path() / "out.gguf"), "precious");
  EXPECT_EQ(folder.count(), 1u);
  run(plan, folder.path() / "out.gguf", scalar(), {.overwrite = true});
  EXPECT_EQ(read_file(folder.path() / "out.gguf").size(), plan.total_bytes);
}

TEST(Outputs, NeverReplaceProtectedFiles) {
  const ScratchFolder folder;
  write_file(folder.path() / "imatrix.dat", "precious");
  fs::create_hard_link(folder.path() / "imatrix.dat", folder.path() / "out.gguf");
  RunOptions options{.overwrite = true};
  options.protect.push_back(InputFile(folder.path() / "imatrix.dat").identity());
  const QuantPlan plan = make_plan(small_model(), find_file_type("Q8_0"), {});
  EXPECT_EQ(error_of([&] { run(plan, folder.path() / "out.gguf", scalar(), options); }).kind(),
            ErrorKind::output);
  EXPECT_EQ(read_file(folder.path() / "imatrix.dat"), "precious");
}

TEST(Outputs, OfTheSameNameAreRefused) {
  const ScratchFolder folder;
  const GgufModel model = small_model();
  const std::vector<QuantPlan> plans = {make_plan(model, find_file_type("Q8_0"), {}),
                                        make_plan(model, find_file_type("F16"), {})};
  const std::vector<fs::path> outputs = {folder.path() / "x", folder.path() / "sub/../x"};
  const Error error =
      error_of([&] { execute(plans, outputs, scalar(), {}, silent_progress(), CancelToken()); });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_EQ(folder.count(), 0u);
}

TEST(Outputs, OfASplitPlanAreNumbered) {
  GgufModel model = model_of(
      {planned("a.weight", {64, 256}, DType::bf16, 0), planned("b.weight", {64, 256}, DType::bf16, 1)});
  PlanOptions options;
  options.keep_split = true;
  const QuantPlan plan = make_plan(model, find_file_type("Q8_0"), options);
  const std::vector<fs::path> wanted = {"d/m-00001-of-00002.gguf", "d/m-00002-of-00002.gguf"};
  EXPECT_EQ(output_paths(plan, "d/m.gguf"), wanted);
  EXPECT_EQ(output_paths(plan, "d/m-00001-of-00002.gguf"), wanted);
}

TEST(Outputs, OfASplitInputKeepItsSplit) {
  const ScratchFolder folder;
  GgufModel model = small_model();
  for (std::size_t i = 0; i < model.tensors.size(); ++i) {
    const auto& expr = static_cast<const MemoryExpr&>(*model.tensors[i].expr);
    model.tensors[i].expr = expr.moved_to(static_cast<std::uint32_t>(i % 2), i);
  }
  PlanOptions options;
  options.keep_split = true;
  const QuantPlan split = make_plan(model, find_file_type("Q8_0"), options);
  const QuantPlan whole = make_plan(model, find_file_type("Q8_0"), {});
  const RunResult result = run(split, folder.path() / "split.gguf");
  run(whole, folder.path() / "whole.gguf");
  ASSERT_EQ(result.outputs.size(), 2u);

  const GgufSource read_back(result.outputs[0]);
  EXPECT_EQ(read_back.files().size(), 2u);
  ASSERT_EQ(read_back.tensors().size(), whole.entries.size());
  const std::string wanted = read_file(folder.path() / "whole.gguf");
  for (const TensorInfo& info : read_back.tensors()) {
    std::vector<std::byte> bytes(info.bytes);
    read_back.read(info, 0, bytes);
    const PlanEntry& entry = entry_of(whole, info.name);
    ASSERT_EQ(bytes.size(), entry.bytes);
    EXPECT_EQ(std::memcmp(bytes.data(), wanted.data() + entry.offset, bytes.size()), 0) << info.name;
  }
}

TEST(Run, FromA16BitFileGivesWhatTheModelItselfGives) {
  const ScratchFolder folder;
  const GgufModel model = small_model();
  run(make_plan(model, find_file_type("BF16"), {}), folder.path() / "bf16.gguf");
  const GgufModel again = open_model(folder.path() / "bf16.gguf", {});
  const QuantPlan direct = make_plan(model, find_file_type("Q4_K_M"), {});
  const QuantPlan detour = make_plan(again, find_file_type("Q4_K_M"), {});
  run(direct, folder.path() / "direct.gguf");
  run(detour, folder.path() / "detour.gguf");
  const std::string one = read_file(folder.path() / "direct.gguf");
  const std::string other = read_file(folder.path() / "detour.gguf");
  ASSERT_EQ(direct.entries.size(), detour.entries.size());
  EXPECT_TRUE(std::string_view(one).substr(direct.files[0].header.size()) ==
              std::string_view(other).substr(detour.files[0].header.size()))
      << "the data, in the same order";
}

/// Touches a file as soon as the work begins.
class TouchingProgress final : public Progress {
 public:
  explicit TouchingProgress(fs::path path) : path_(std::move(path)) {}
  void begin(std::string_view, std::uint64_t, std::uint64_t, std::string_view) override {
    fs::last_write_time(path_, fs::last_write_time(path_) + std::chrono::seconds(5));
  }
  void advance(std::uint64_t) override {}
  void item_done(std::string_view) override {}
  void end() override {}
  void warn(const std::string&) override {}

 private:
  fs::path path_;
};

TEST(Inputs, ThatChangeDuringTheRunMakeItFail) {
  const ScratchFolder folder;
  const fs::path input = folder.path() / "in.gguf";
  run(make_plan(small_model(), find_file_type("F16"), {}), input);
  const QuantPlan plan = make_plan(open_model(input, {}), find_file_type("Q8_0"), {});
  const fs::path output = folder.path() / "out.gguf";
  TouchingProgress progress(input);
  const Error error = error_of([&] {
    execute({&plan, 1}, {&output, 1}, scalar(), {}, progress, CancelToken());
  });
  EXPECT_EQ(error.kind(), ErrorKind::input_invalid);
  EXPECT_EQ(folder.count(), 1u);
}

TEST(Inputs, AreNeverReplacedEvenByForce) {
  const ScratchFolder folder;
  const fs::path input = folder.path() / "in.gguf";
  run(make_plan(small_model(), find_file_type("F16"), {}), input);
  const std::string before = read_file(input);
  const QuantPlan plan = make_plan(open_model(input, {}), find_file_type("Q8_0"), {});
  RunOptions options;
  options.overwrite = true;
  EXPECT_EQ(error_of([&] { run(plan, input, scalar(), options); }).kind(), ErrorKind::output);
  EXPECT_TRUE(read_file(input) == before);
}

/// Cancels after the first tile, as a signal would.
class CancellingProgress final : public Progress {
 public:
  explicit CancellingProgress(CancelToken& cancel) : cancel_(cancel) {}
  void begin(std::string_view, std::uint64_t, std::uint64_t, std::string_view) override {}
  void advance(std::uint64_t) override { cancel_.cancel(); }
  void item_done(std::string_view) override {}
  void end() override {}
  void warn(const std::string&) override {}

 private:
  CancelToken& cancel_;
};

TEST(Cancelling, LeavesNothing) {
  const ScratchFolder folder;
  const QuantPlan plan = make_plan(small_model(), find_file_type("Q8_0"), {});
  const fs::path output = folder.path() / "out.gguf";
  CancelToken cancel;
  CancellingProgress progress(cancel);
  const Error error = error_of([&] { execute({&plan, 1}, {&output, 1}, scalar(), {}, progress, cancel); });
  EXPECT_EQ(error.kind(), ErrorKind::interrupted);
  EXPECT_EQ(folder.count(), 0u);
}

class CountingProgress final : public Progress {
 public:
  void begin(std::string_view, std::uint64_t total_bytes, std::uint64_t tensors, std::string_view) override {
    total = total_bytes;
    expected_tensors = tensors;
  }
  void advance(std::uint64_t bytes) override { done += bytes; }
  void item_done(std::string_view) override { ++tensors_done; }
  void end() override { ended = true; }
  void warn(const std::string& message) override {
    const std::lock_guard lock(mutex);
    warnings.push_back(message);
  }
  std::uint64_t total = 0;
  std::uint64_t expected_tensors = 0;
  std::atomic<std::uint64_t> done{0};
  std::atomic<std::uint64_t> tensors_done{0};
  std::atomic<bool> ended{false};
  std::mutex mutex;
  std::vector<std::string> warnings;
};

TEST(Progressing, AddsUpToTheWholeInput) {
  const ScratchFolder folder;
  const QuantPlan plan = make_plan(small_model(), find_file_type("Q8_0"), {});
  const fs::path output = folder.path() / "out.gguf";
  CountingProgress progress;
  const RunResult result =
      execute({&plan, 1}, {&output, 1}, scalar(), {.threads = 3}, progress, CancelToken());
  EXPECT_EQ(progress.done, progress.total);
  EXPECT_EQ(progress.total, result.input_bytes);
  EXPECT_EQ(progress.tensors_done, progress.expected_tensors);
  EXPECT_EQ(progress.expected_tensors, plan.entries.size());
  EXPECT_TRUE(progress.ended);
}

TEST(Memory, GrowsWithThreadsAndNotWithTheModel) {
  const QuantPlan small =
      make_plan(model_of({planned("a.weight", {1000, 4096})}), find_file_type("Q8_0"), {});
  const QuantPlan large =
      make_plan(model_of({planned("a.weight", {1000'000, 4096})}), find_file_type("Q8_0"), {});
  EXPECT_EQ(working_memory(small, 4), working_memory(large, 4));
  EXPECT_EQ(working_memory(large, 4), 4 * working_memory(large, 1));
  EXPECT_LT(working_memory(large, 64), 64'000'000u);
}

TEST(Memory, IsSaidBeforehandAsItIsKept) {
  const QuantPlan plan = make_plan(small_model(), find_file_type("Q8_0"), {});
  const std::uint64_t tile = working_memory(plan, 1);
  const MemoryNeed one = memory_need({&plan, 1}, 1, 0);
  EXPECT_EQ(one.threads, 1u);
  EXPECT_GT(one.bytes, tile + 1'000'000) << "the process itself counts";
  EXPECT_LT(memory_need({&plan, 1}, 10'000, 0).threads, 100u) << "threads without work are not counted";
  const MemoryNeed limited = memory_need({&plan, 1}, 2, one.bytes + tile / 2);
  EXPECT_EQ(limited.threads, 1u);
  EXPECT_LE(limited.bytes, one.bytes + tile / 2);
  EXPECT_EQ(error_of([&] { memory_need({&plan, 1}, 2, tile); }).kind(), ErrorKind::resource);
}

/// The most this process has held in memory since the mark was last set back; 0 where that cannot be told.
std::uint64_t high_water_bytes() {
  std::ifstream status("/proc/self/status");
  std::uint64_t kilobytes = 0;
  for (std::string word; status >> word;) {
    if (word == "VmHWM:") status >> kilobytes;
  }
  return kilobytes * 1024;
}

bool set_high_water_back() {
  std::ofstream mark("/proc/self/clear_refs");
  mark << "5" << std::flush;
  return mark.good();
}

TEST(Memory, OfManyThreadsAndTypesIsWhatWasSaid) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer's memory is not ours";
#endif
  const ScratchFolder folder;
  const std::uint64_t count = 4096 * 4096;
  const GgufModel model = model_of({in_memory("a.weight", {4096, 4096}, DType::bf16, weights(count, 1))});
  std::vector<QuantPlan> plans;
  std::vector<fs::path> outputs;
  for (const char* type : {"Q8_0", "Q4_0", "F32", "F16"}) {
    plans.push_back(make_plan(model, find_file_type(type), {}));
    outputs.push_back(folder.path() / type);
  }
  const std::uint64_t said = memory_need(plans, 64, 0).bytes;
  if (!set_high_water_back()) GTEST_SKIP() << "the system does not tell";
  execute(plans, outputs, scalar(), {.threads = 64}, silent_progress(), CancelToken());
  EXPECT_LE(high_water_bytes(), said);
}

TEST(Memory, LimitReducesThreadsOrRefuses) {
  const ScratchFolder folder;
  const QuantPlan plan = make_plan(small_model(), find_file_type("Q8_0"), {});
  const fs::path output = folder.path() / "out.gguf";
  const Error error = error_of([&] { run(plan, output, scalar(), {.max_memory = 1000}); });
  EXPECT_EQ(error.kind(), ErrorKind::resource);
  EXPECT_EQ(folder.count(), 0u);
  CountingProgress progress;
  const std::uint64_t plenty = std::uint64_t{1} << 40;
  EXPECT_EQ(execute({&plan, 1}, {&output, 1}, scalar(), {.threads = 2, .max_memory = plenty}, progress,
                    CancelToken())
                .threads,
            2u);
  EXPECT_TRUE(progress.warnings.empty());
}

}  // namespace
}  // namespace qtz
