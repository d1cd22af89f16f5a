#include "qtz/pipeline/verify.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "memory_models.h"
#include "pipeline/error_bands.h"
#include "qtz/pipeline/run.h"
#include "support/scratch_folder.h"
#include "support/silent_progress.h"

namespace qtz {
namespace {

using namespace qtz::test;

GgufModel trained_like(std::uint32_t seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 0.02f);
  const auto values = [&](std::size_t count) {
    std::vector<float> all(count);
    for (float& value : all) value = normal(random);
    return all;
  };
  GgufModel model = model_of({in_memory("output.weight", {128, 256}, DType::bf16, values(128 * 256)),
                              in_memory("blk.0.attn_norm.weight", {256}, DType::f32, values(256)),
                              in_memory("blk.0.attn_q.weight", {512, 256}, DType::bf16, values(512 * 256)),
                              in_memory("blk.0.ffn_down.weight", {256, 512}, DType::bf16, values(512 * 256)),
                              in_memory("blk.0.odd.weight", {40, 33}, DType::bf16, values(40 * 33))});
  model.metadata.set("general.name", "Test");
  model.metadata.set("general.license", "mit");
  return model;
}

/// An artifact of the model in a folder of its own, and what verify says of it.
class Artifact {
 public:
  Artifact(const GgufModel& model, std::string_view type, const PlanOptions& options = {})
      : model_(model), plan_(make_plan(model, find_file_type(type), options)) {
    execute({&plan_, 1}, {&path_, 1}, scalar(), {}, silent_progress(), CancelToken());
  }
  VerifyReport check(const GgufModel* source, VerifyOptions options = {},
                     const PlanOptions& made_with = {}) const {
    if (source == nullptr) return verify(path_, nullptr, scalar(), options, silent_progress(), CancelToken());
    const QuantPlan wanted = plan_to_verify(*source, made_with);
    return verify(path_, &wanted, scalar(), options, silent_progress(), CancelToken());
  }
  VerifyReport check() const { return check(&model_); }
  void flip(std::uint64_t byte, unsigned char mask) const {
    std::string bytes = read_file(path_);
    bytes.at(byte) = static_cast<char>(static_cast<unsigned char>(bytes.at(byte)) ^ mask);
    write_file(path_, bytes);
  }
  const QuantPlan& plan() const { return plan_; }
  const fs::path& path() const { return path_; }

 private:
  ScratchFolder folder_;
  fs::path path_ = folder_.path() / "artifact.gguf";
  GgufModel model_;
  QuantPlan plan_;
};

const TensorReport& report_of(const VerifyReport& report, std::string_view name) {
  for (const TensorReport& tensor : report.tensors) {
    if (tensor.name == name) return tensor;
  }
  throw std::out_of_range(std::string(name));
}

std::string problems_of(const VerifyReport& report) {
  std::string text;
  for (const std::string& problem : report.problems) text += problem + "\n";
  for (const TensorReport& tensor : report.tensors) {
    if (!tensor.problem.empty()) text += tensor.name + ": " + tensor.problem + "\n";
  }
  return text;
}

TEST(Verify, FindsNothingWrongWithAnyTypeOfItsOwn) {
  const GgufModel model = trained_like();
  for (const FileType& type : list_file_types()) {
    if (wants_importance(type)) continue;
    const Artifact artifact(model, type.name);
    const VerifyReport report = artifact.check();
    EXPECT_TRUE(report.ok()) << type.name << "\n" << problems_of(report);
    EXPECT_TRUE(artifact.check(nullptr).ok()) << type.name;
    for (const TensorReport& tensor : report.tensors) {
      EXPECT_TRUE(tensor.compared);
      EXPECT_TRUE(tensor.reproduced) << tensor.name;
    }
  }
}

TEST(Verify, ReportsTheErrorsOfEachTensor) {
  const VerifyReport report = Artifact(trained_like(), "Q8_0").check();
  const TensorReport& copied = report_of(report, "blk.0.attn_norm.weight");
  EXPECT_EQ(copied.rmse, 0);
  EXPECT_EQ(copied.cosine, 1);
  EXPECT_TRUE(std::isinf(copied.sqnr_db));
  const TensorReport& encoded = report_of(report, "blk.0.attn_q.weight");
  EXPECT_NEAR(encoded.sqnr_db, 45.5, 1.5) << "8 bits of normal weights";
  EXPECT_NEAR(encoded.rmse, 0.02 * std::pow(10, -encoded.sqnr_db / 20), 1e-5);
  EXPECT_GT(encoded.max_abs, encoded.rmse);
  EXPECT_GT(encoded.cosine, 0.9999);
  EXPECT_NEAR(encoded.noise_ratio, 1, 0.2);
}

TEST(Verify, SaysTheSameForAnyNumberOfThreads) {
  const Artifact artifact(trained_like(), "Q4_K_M");
  const GgufModel source = trained_like();
  const VerifyReport one = artifact.check(&source, {.threads = 1});
  const VerifyReport many = artifact.check(&source, {.threads = 5});
  for (std::size_t i = 0; i < one.tensors.size(); ++i) {
    EXPECT_EQ(one.tensors[i].rmse, many.tensors[i].rmse);
    EXPECT_EQ(one.tensors[i].noise_ratio, many.tensors[i].noise_ratio);
  }
}

TEST(Verify, SeesATensorOfOtherWeights) {
  for (const FileType& type : list_file_types()) {
    if (wants_importance(type)) continue;
    GgufModel source = trained_like();
    const Artifact artifact(source, type.name);
    source.tensors[2].expr = trained_like(2).tensors[2].expr;
    const VerifyReport report = artifact.check(&source, {.encode_again = false});
    EXPECT_FALSE(report_of(report, "blk.0.attn_q.weight").problem.empty()) << type.name;
    EXPECT_TRUE(report_of(report, "output.weight").problem.empty()) << type.name;
  }
}

TEST(Verify, SeesTwoSwappedRowsByTheirPieces) {
  for (const char* type :
       {"Q8_0", "Q6_K", "Q4_K_S", "Q4_0", "Q3_K_S", "IQ4_XS", "F16", "Q1_0", "Q2_0", "TQ1_0", "TQ2_0"}) {
    GgufModel source = trained_like();
    const Artifact artifact(source, type);
    std::vector<std::byte> bytes(512 * 512);
    source.tensors[2].expr->read_rows(0, 512, bytes);
    std::swap_ranges(bytes.begin() + 7 * 512, bytes.begin() + 8 * 512, bytes.begin() + 300 * 512);
    source.tensors[2].expr = std::make_shared<MemoryExpr>(Shape{512, 256}, DType::bf16, bytes);
    const VerifyReport report = artifact.check(&source, {.encode_again = false});
    EXPECT_NE(report_of(report, "blk.0.attn_q.weight").problem.find("times what"), std::string::npos) << type;
  }
}

TEST(Verify, SeesEveryFlippedBitOfTensorsByEncodingAgain) {
  const GgufModel model = trained_like();
  const PlanEntry entry = entry_of(make_plan(model, find_file_type("Q4_K_M"), {}), "blk.0.attn_q.weight");
  for (const std::uint64_t at : {std::uint64_t{0}, std::uint64_t{77}, entry.bytes - 1}) {
    const Artifact artifact(model, "Q4_K_M");
    artifact.flip(entry.offset + at, 1);
    EXPECT_FALSE(artifact.check().ok()) << at;
  }
}

TEST(Verify, SeesANonfiniteBlockWithoutTheSource) {
  const GgufModel model = trained_like();
  const Artifact artifact(model, "Q8_0");
  const PlanEntry& entry = entry_of(artifact.plan(), "blk.0.attn_q.weight");
  std::string bytes = read_file(artifact.path());
  bytes.replace(entry.offset + 34 * 9, 2, std::string("\x00\x7c", 2));  // the scale becomes infinite
  write_file(artifact.path(), bytes);
  const VerifyReport report = artifact.check(nullptr);
  EXPECT_NE(report_of(report, "blk.0.attn_q.weight").problem.find("NaN or infinite (first at [1, 32])"),
            std::string::npos)
      << problems_of(report);
}

/// With a legacy importance matrix of the model's matrices; value_of takes the column.
PlanOptions with_importance(const GgufModel& model, const ScratchFolder& folder,
                            const std::function<float(std::uint64_t)>& value_of) {
  std::string bytes;
  const auto put = [&](std::int32_t value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  std::vector<const ModelTensor*> matrices;
  for (const ModelTensor& tensor : model.tensors) {
    if (tensor.expr->shape().rank() > 1) matrices.push_back(&tensor);
  }
  put(static_cast<std::int32_t>(matrices.size()));
  for (const ModelTensor* tensor : matrices) {
    put(static_cast<std::int32_t>(tensor->name.size()));
    bytes += tensor->name;
    put(1);  // calls
    const std::uint64_t count = tensor->expr->shape().cols();
    put(static_cast<std::int32_t>(count));
    for (std::uint64_t i = 0; i < count; ++i) {
      const float value = value_of(i);
      bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
    }
  }
  PlanOptions options;
  options.importance = std::make_shared<const ImportanceMatrix>(folder.add("weights.dat", bytes));
  return options;
}

/// Gamma-distributed.
PlanOptions with_importance(const GgufModel& model, const ScratchFolder& folder, float shape) {
  std::mt19937 random(5);
  std::gamma_distribution<float> gamma(shape);
  return with_importance(model, folder, [&](std::uint64_t) { return gamma(random) + 1e-9f; });
}

TEST(Verify, AllowsForErrorsThatImportanceShaped) {
  const GgufModel model = trained_like();
  const ScratchFolder folder;
  for (const float shape : {0.5f, 0.05f}) {
    const PlanOptions made_with = with_importance(model, folder, shape);
    for (const FileType& type : list_file_types()) {
      const Artifact artifact(model, type.name, made_with);
      const VerifyReport report = artifact.check(&model);
      EXPECT_TRUE(report.ok()) << type.name << "\n" << problems_of(report);
      EXPECT_EQ(report.warnings.size(), 1u);
      const VerifyReport exact = artifact.check(&model, {}, made_with);
      EXPECT_TRUE(exact.ok()) << type.name << "\n" << problems_of(exact);
      EXPECT_TRUE(exact.warnings.empty());
      for (const TensorReport& tensor : exact.tensors) EXPECT_TRUE(tensor.reproduced) << tensor.name;
    }
  }
}

TEST(Verify, SeesATensorOfOtherWeightsWithImportance) {
  const ScratchFolder folder;
  for (const FileType& type : list_file_types()) {
    if (!wants_importance(type)) continue;
    GgufModel source = trained_like();
    const Artifact artifact(source, type.name, with_importance(source, folder, 0.5f));
    source.tensors[2].expr = trained_like(2).tensors[2].expr;
    const VerifyReport report = artifact.check(&source, {.encode_again = false});
    EXPECT_FALSE(report_of(report, "blk.0.attn_q.weight").problem.empty()) << type.name;
    EXPECT_TRUE(report_of(report, "output.weight").problem.empty()) << type.name;
  }
}

/// Columns that the matrix gives no weight at all may be lost: that is a word of warning, not a wrong file.
TEST(Verify, WarnsOfWhatTheImportanceGivesUp) {
  const GgufModel model = trained_like();
  const ScratchFolder folder;
  const PlanOptions made_with =
      with_importance(model, folder, [](std::uint64_t column) { return column % 256 < 128 ? 0.0f : 1.0f; });
  const Artifact artifact(model, "Q6_K", made_with);
  const VerifyReport exact = artifact.check(&model, {}, made_with);
  EXPECT_TRUE(exact.ok()) << problems_of(exact);
  ASSERT_EQ(exact.warnings.size(), 3u);
  EXPECT_NE(exact.warnings[1].find("tensor 'blk.0.attn_q.weight': error is "), std::string::npos);
  EXPECT_NE(exact.warnings[1].find(" times what Q6_K gives"), std::string::npos);
  EXPECT_NE(exact.warnings[1].find(", as the importance matrix asks for"), std::string::npos);

  VerifyOptions bands_only;
  bands_only.encode_again = false;
  EXPECT_FALSE(artifact.check(&model, bands_only, made_with).ok());
  artifact.flip(entry_of(artifact.plan(), "blk.0.attn_q.weight").offset + 3, 1);
  EXPECT_FALSE(artifact.check(&model, {}, made_with).ok());
}

TEST(Verify, SeesEveryFlippedBitWhenGivenTheImportance) {
  const GgufModel model = trained_like();
  const ScratchFolder folder;
  const PlanOptions made_with = with_importance(model, folder, 0.5f);
  const Artifact artifact(model, "Q4_K_M", made_with);
  const PlanEntry& entry = entry_of(artifact.plan(), "blk.0.attn_q.weight");
  artifact.flip(entry.offset + 77, 1);
  EXPECT_TRUE(artifact.check(&model).ok());
  EXPECT_FALSE(artifact.check(&model, {}, made_with).ok());
}

TEST(Verify, SeesLostPiecesEvenWithoutTheImportance) {
  const GgufModel model = trained_like();
  const ScratchFolder folder;
  const Artifact artifact(model, "Q4_K_M", with_importance(model, folder, 0.5f));
  const PlanEntry& entry = entry_of(artifact.plan(), "blk.0.attn_q.weight");
  std::string bytes = read_file(artifact.path());
  bytes.replace(entry.offset + 144 * 100, 144 * 20, std::string(144 * 20, '\0'));
  write_file(artifact.path(), bytes);
  const std::string problem = report_of(artifact.check(&model), "blk.0.attn_q.weight").problem;
  EXPECT_EQ(problem, "20 of 512 pieces of 256 weights are lost (first at [100, 0])");
}

TEST(Verify, UsesNoImportanceWhereTheFileNamesNone) {
  const GgufModel model = trained_like();
  const ScratchFolder folder;
  const Artifact artifact(model, "Q4_K_M");
  const VerifyReport report = artifact.check(&model, {}, with_importance(model, folder, 0.5f));
  EXPECT_TRUE(report.ok()) << problems_of(report);
  ASSERT_EQ(report.warnings.size(), 1u);
  EXPECT_NE(report.warnings[0].find("is not used"), std::string::npos);
}

TEST(Verify, OfTensorsThatCannotBeJudgedIsNotOk) {
  const std::string name = "blk.0.ffn_gate_inp.weight";
  GgufModel stored = trained_like();
  stored.tensors.push_back(
      {name,
       std::make_shared<MemoryExpr>(Shape{4, 256}, DType::q8_k,
                                    std::vector<std::byte>(4 * row_bytes(DType::q8_k, 256))),
       DType::q8_k});
  const Artifact artifact(stored, "Q8_0");
  GgufModel model = trained_like();
  model.tensors.push_back(in_memory(name, {4, 256}, DType::f32, std::vector<float>(4 * 256)));
  const VerifyReport report = artifact.check(&model);
  EXPECT_EQ(report_of(report, name).problem, "was not compared: qtz cannot judge the errors of Q8_K");

  const VerifyReport alone = artifact.check(nullptr);
  EXPECT_TRUE(alone.ok());
  EXPECT_FALSE(report_of(alone, name).decoded);
  ASSERT_EQ(alone.warnings.size(), 1u);
  EXPECT_NE(alone.warnings[0].find("1 tensors were not looked into: Q8_K"), std::string::npos);
}

TEST(Verify, WarnsOfBytesThatBelongToNoTensor) {
  const GgufModel model = trained_like();
  const Artifact artifact(model, "Q8_0");
  write_file(artifact.path(), read_file(artifact.path()) + "more");
  const VerifyReport report = artifact.check();
  EXPECT_TRUE(report.ok());
  ASSERT_EQ(report.warnings.size(), 1u);
  EXPECT_NE(report.warnings[0].find("4 bytes follow the last tensor"), std::string::npos);
}

TEST(Verify, ComparesTensorsThatCanOnlyBeCopiedByTheirBytes) {
  GgufModel model = trained_like();
  std::vector<std::byte> blocks(4 * row_bytes(DType::q8_k, 256), std::byte{0x21});
  model.tensors.push_back({"blk.0.ffn_gate_inp.weight",
                           std::make_shared<MemoryExpr>(Shape{4, 256}, DType::q8_k, blocks), DType::q8_k});
  const Artifact artifact(model, "Q8_0");
  EXPECT_TRUE(artifact.check().ok()) << problems_of(artifact.check());
  EXPECT_TRUE(report_of(artifact.check(), "blk.0.ffn_gate_inp.weight").reproduced);
  artifact.flip(entry_of(artifact.plan(), "blk.0.ffn_gate_inp.weight").offset + 5, 0x01);
  EXPECT_FALSE(report_of(artifact.check(), "blk.0.ffn_gate_inp.weight").compared);
  EXPECT_NE(problems_of(artifact.check()).find("differs from the source"), std::string::npos);
}

TEST(Verify, AllowsForWeightsThatWereNotFinite) {
  std::vector<float> values(64 * 256, 0.5f);
  values[300] = std::numeric_limits<float>::quiet_NaN();
  values[999] = std::numeric_limits<float>::infinity();
  const GgufModel model = model_of({in_memory("output.weight", {1, 256}, DType::f32, std::vector<float>(256)),
                                    in_memory("a.weight", {64, 256}, DType::bf16, values)});
  const auto check = [&](const char* type, OnNan on_nan) {
    PlanOptions made_with;
    made_with.on_nan = on_nan;
    const Artifact artifact(model, type, made_with);
    EXPECT_TRUE(artifact.check().ok()) << type << "\n" << problems_of(artifact.check());
    // Another weight set to zero is not forgiven.
    const PlanEntry& entry = entry_of(artifact.plan(), "a.weight");
    artifact.flip(entry.offset + entry.bytes - 1, 0x3f);
    EXPECT_FALSE(artifact.check().ok()) << type;
  };
  for (const char* type : {"BF16", "F16", "F32", "Q8_0", "Q4_K_S"}) check(type, OnNan::zero);
  for (const char* type : {"BF16", "F16", "F32"}) check(type, OnNan::keep);
}

TEST(Verify, TakesWhatTheArtifactWasMadeWith) {
  const GgufModel model = trained_like();
  PlanOptions made_with;
  made_with.override_kv.emplace_back("general.author", GgufValue("Somebody"));
  const Artifact artifact(model, "Q8_0", made_with);
  EXPECT_TRUE(artifact.check(&model, {}, made_with).ok());
  made_with.override_kv[0].second = GgufValue("Somebody else");
  EXPECT_FALSE(artifact.check(&model, {}, made_with).ok());
}

TEST(Verify, ReportsATruncatedFile) {
  const Artifact artifact(trained_like(), "Q8_0");
  fs::resize_file(artifact.path(), fs::file_size(artifact.path()) - 40);
  const VerifyReport report = artifact.check();
  EXPECT_FALSE(report.ok());
  EXPECT_EQ(report.problems.size(), 1u);
  EXPECT_NE(report.hint.find("incomplete or damaged"), std::string::npos) << report.hint;
}

TEST(Verify, HasNoVerdictOnWhatIsNoArtifact) {
  const ScratchFolder folder;
  const auto check = [](const fs::path& path) {
    verify(path, nullptr, scalar(), {}, silent_progress(), CancelToken());
  };
  EXPECT_THROW(check(folder.path()), WrongFile) << "a folder";
  EXPECT_THROW(check(folder.add("notes.txt", "some words about a model")), WrongFile);
  EXPECT_THROW(check(folder.add("page.gguf", "<html>log in</html>")), WrongFile);
  PlanOptions options;
  options.split_max_bytes = 100'000;
  const QuantPlan plan = make_plan(trained_like(), find_file_type("Q8_0"), options);
  const fs::path output = folder.path() / "split.gguf";
  const auto shards =
      execute({&plan, 1}, {&output, 1}, scalar(), {}, silent_progress(), CancelToken()).outputs;
  ASSERT_GT(shards.size(), 1u);
  EXPECT_NO_THROW(check(shards[0]));
  EXPECT_THROW(check(shards[1]), WrongFile);
}

TEST(Verify, ComparesNamesShapesAndMetadata) {
  const Artifact artifact(trained_like(), "Q8_0");
  GgufModel source = trained_like();
  source.metadata.set("general.license", "Other");
  source.metadata.set("general.author", "Somebody");
  source.tensors[0].name = "output_b.weight";
  source.tensors[3] =
      in_memory("blk.0.ffn_down.weight", {512, 256}, DType::bf16, std::vector<float>(512 * 256));
  source.metadata.set("general.name", "Other");
  const VerifyReport report = artifact.check(&source);
  EXPECT_EQ(report.warnings,
            std::vector<std::string>{"metadata key 'general.name' has another value than the source gives"});
  const std::string problems = problems_of(report);
  EXPECT_NE(problems.find("'general.license' has another value"), std::string::npos) << problems;
  EXPECT_NE(problems.find("'general.author' is missing"), std::string::npos);
  EXPECT_NE(problems.find("'output.weight' is not in the source"), std::string::npos);
  EXPECT_NE(problems.find("'output_b.weight' is missing"), std::string::npos);
  EXPECT_NE(problems.find("'blk.0.ffn_down.weight' has shape [256, 512], the source gives [512, 256]"),
            std::string::npos);
}

TEST(Verify, OfAMissingFileThrows) {
  EXPECT_THROW(verify("/nonexistent/x.gguf", nullptr, scalar(), {}, silent_progress(), CancelToken()), Error);
}

TEST(ErrorBands, ExistForEveryTypeThatCanBeEncoded) {
  for (const DTypeTraits& type : all_dtypes()) {
    EXPECT_TRUE(!type.encodable || has_error_band(type.type)) << type.name;
  }
}

/// 6 times the largest scale; execute() refuses what is far beyond.
constexpr float kLargestNvfp4 = 6 * 448;

/// Sound encodings of unusual weights must not look unsound.
TEST(ErrorBands, HoldForUnusualDistributions) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::student_t_distribution<float> heavy(3);
  const std::pair<const char*, std::function<float()>> shapes[] = {
      {"heavy tails", [&] { return 0.02f * heavy(random); }},
      {"one outlier in 256", [&] { return (random() % 256 == 0 ? 50.0f : 1.0f) * normal(random); }},
      {"ternary", [&] { return static_cast<float>(static_cast<int>(random() % 3) - 1) * 0.03f; }},
      {"one tenth is not zero", [&] { return random() % 10 == 0 ? normal(random) : 0.0f; }},
      {"shifted", [&] { return 1.0f + 0.1f * normal(random); }},
      {"far from zero", [&] { return -1.0f + 0.01f * normal(random); }},
      {"two values", [&] { return random() % 2 == 0 ? 0.03f : -0.03f; }},
      {"two values, one of them rare", [&] { return random() % 16 == 0 ? 65504.0f : -65504.0f; }},
      {"constant", [&] { return 0.37f; }},
      {"very small", [&] { return 1e-7f * normal(random); }},
  };
  for (const auto& [name, draw] : shapes) {
    std::vector<float> values(256 * 256);
    for (float& value : values) value = draw();
    const float largest = std::fabs(*std::max_element(values.begin(), values.end()));
    const GgufModel model =
        model_of({in_memory("output.weight", {1, 256}, DType::f32, std::vector<float>(256)),
                  in_memory("a.weight", {256, 256}, DType::f32, values)});
    for (const FileType& type : list_file_types()) {
      if (wants_importance(type) || (largest > kLargestNvfp4 && type.name == "NVFP4")) continue;
      const VerifyReport report = Artifact(model, type.name).check();
      EXPECT_TRUE(report.ok()) << name << " " << type.name << "\n" << problems_of(report);
    }
  }
}

}  // namespace
}  // namespace qtz
