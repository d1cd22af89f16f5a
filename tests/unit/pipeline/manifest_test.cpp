#include "qtz/pipeline/manifest.h"

#include <gtest/gtest.h>

#include <atomic>
#include <limits>

#include "memory_models.h"
#include "qtz/formats/gguf.h"
#include "qtz/pipeline/run.h"
#include "qtz/pipeline/verify.h"
#include "support/scratch_folder.h"
#include "support/sha256_hex.h"
#include "support/silent_progress.h"

namespace qtz {
namespace {

using namespace qtz::test;

constexpr const char* kNoHash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Tensors of many tiles and of one, one twice under two names, and an empty one.
GgufModel varied_model() {
  ModelTensor embedding = in_memory("token_embd.weight", {700, 512}, DType::bf16, weights(700 * 512, 1));
  ModelTensor output{"output.weight", embedding.expr, embedding.unquantized};
  return model_of(
      {embedding, output, in_memory("output_norm.weight", {256}, DType::f32, weights(256, 2)),
       in_memory("blk.0.attn_v.weight", {1000, 256}, DType::bf16, weights(1000 * 256, 4)),
       in_memory("blk.0.odd.weight", {33, 31}, DType::bf16, weights(33 * 31, 5)),
       in_memory("blk.0.ffn_up_exps.weight", {3, 70, 256}, DType::bf16, weights(3 * 70 * 256, 6))});
}

class CancelAfter final : public Progress {
 public:
  CancelAfter(CancelToken& cancel, unsigned tiles) : cancel_(cancel), left_(tiles) {}
  void begin(std::string_view, std::uint64_t, std::uint64_t, std::string_view) override {}
  void advance(std::uint64_t) override {
    if (left_-- == 0) cancel_.cancel();
  }
  void item_done(std::string_view) override {}
  void end() override {}
  void warn(const std::string&) override {}

 private:
  CancelToken& cancel_;
  std::atomic<unsigned> left_;
};

std::string hash_of_file(const fs::path& path) {
  const std::string text = read_file(path);
  return sha256_hex(std::as_bytes(std::span(text)));
}

void write_with_manifest(const std::vector<QuantPlan>& plans, const std::vector<fs::path>& outputs,
                         unsigned threads, const ManifestFacts& facts = {}) {
  const RunOptions options{.threads = threads, .overwrite = true, .manifest = &facts};
  execute(plans, outputs, scalar(), options, silent_progress(), CancelToken());
}

void expect_manifest_of(const fs::path& first, const std::vector<fs::path>& files) {
  const Manifest manifest = read_manifest(manifest_path(first));
  ASSERT_EQ(manifest.outputs.size(), files.size());
  for (std::size_t i = 0; i < files.size(); ++i) {
    EXPECT_EQ(manifest.outputs[i].name, files[i].filename().native());
    EXPECT_EQ(manifest.outputs[i].bytes, fs::file_size(files[i]));
    EXPECT_EQ(manifest.outputs[i].sha256, hash_of_file(files[i]));
  }
  const GgufSource artifact(first);
  ASSERT_EQ(manifest.tensors.size(), artifact.tensors().size());
  for (std::size_t i = 0; i < manifest.tensors.size(); ++i) {
    const TensorInfo& tensor = artifact.tensors()[i];
    std::vector<std::byte> bytes(tensor.bytes);
    artifact.read(tensor, 0, bytes);
    EXPECT_EQ(manifest.tensors[i], (ManifestTensor{tensor.name, std::string(name_of(tensor.dtype)),
                                                   tensor.bytes, sha256_hex(bytes)}));
  }
}

TEST(Manifest, HasTheHashesOfWhatWasWritten) {
  for (const unsigned threads : {1u, 2u, 7u}) {
    const ScratchFolder folder;
    const GgufModel model = varied_model();
    const std::vector<QuantPlan> plans{make_plan(model, find_file_type("Q4_K_M"), {}),
                                       make_plan(model, find_file_type("Q8_0"), {})};
    const std::vector<fs::path> outputs{folder.path() / "small.gguf", folder.path() / "large.gguf"};
    write_with_manifest(plans, outputs, threads);
    for (const fs::path& output : outputs) expect_manifest_of(output, {output});
    EXPECT_EQ(folder.count(), 4u);
  }
}

TEST(Manifest, HasEveryShard) {
  const ScratchFolder folder;
  PlanOptions options;
  options.split_max_bytes = 300'000;
  const QuantPlan plan = make_plan(varied_model(), find_file_type("Q8_0"), options);
  const fs::path output = folder.path() / "split.gguf";
  const std::vector<fs::path> files = output_paths(plan, output);
  ASSERT_GT(files.size(), 2u);
  write_with_manifest({plan}, {output}, 2);
  expect_manifest_of(files.front(), files);
}

TEST(Manifest, IsTheSameForAnyNumberOfThreads) {
  const ScratchFolder folder;
  const fs::path output = folder.path() / "out.gguf";
  const ManifestFacts facts{{{"pure", true}}, {}};
  std::string first;
  for (const unsigned threads : {1u, 2u, 7u}) {
    write_with_manifest({make_plan(varied_model(), find_file_type("Q5_K_M"), {})}, {output}, threads, facts);
    const std::string text = read_file(manifest_path(output));
    if (first.empty()) first = text;
    EXPECT_EQ(text, first);
  }
  EXPECT_NE(first.find("\"pure\": true"), std::string::npos);
  EXPECT_NE(first.find("\"type\": \"Q5_K_M\""), std::string::npos);
}

/// A worker that gives up must let go of those that wait for its bytes: a hang here is the failure.
TEST(Manifest, IsGivenUpWithTheRun) {
  for (const unsigned threads : {1u, 2u, 7u}) {
    for (const std::size_t bad : {0u, 700u * 256, 700u * 512 - 1}) {
      const ScratchFolder folder;
      std::vector<float> values = weights(700 * 512, 1);
      values[bad] = std::numeric_limits<float>::infinity();
      const GgufModel model =
          model_of({in_memory("token_embd.weight", {700, 512}, DType::bf16, weights(700 * 512, 2)),
                    in_memory("output.weight", {700, 512}, DType::bf16, values),
                    in_memory("blk.0.attn_v.weight", {1000, 256}, DType::bf16, weights(1000 * 256, 4))});
      EXPECT_THROW(write_with_manifest({make_plan(model, find_file_type("Q4_K_M"), {})},
                                       {folder.path() / "out.gguf"}, threads),
                   Error);
      EXPECT_EQ(folder.count(), 0u);
    }
  }
}

TEST(Manifest, IsGivenUpWhenTheRunIsCancelled) {
  for (const unsigned threads : {1u, 2u, 7u}) {
    for (const unsigned after : {0u, 1u, 5u}) {
      const ScratchFolder folder;
      CancelToken cancel;
      CancelAfter progress(cancel, after);
      const ManifestFacts facts;
      const RunOptions options{.threads = threads, .manifest = &facts};
      const QuantPlan plan = make_plan(varied_model(), find_file_type("Q4_K_M"), {});
      const fs::path output = folder.path() / "out.gguf";
      EXPECT_THROW(execute({&plan, 1}, {&output, 1}, scalar(), options, progress, cancel), Error);
      EXPECT_EQ(folder.count(), 0u);
    }
  }
}

TEST(Manifest, HasTheHashesOfItsInputs) {
  const ScratchFolder folder;
  write_file(folder.path() / "abc", "abc");
  write_file(folder.path() / "empty", "");
  write_with_manifest({make_plan(varied_model(), find_file_type("Q8_0"), {})}, {folder.path() / "out.gguf"},
                      2, {{}, {{folder.path() / "abc", "in/abc"}, {folder.path() / "empty", "empty"}}});
  const Manifest manifest = read_manifest(folder.path() / "out.gguf.manifest.json");
  EXPECT_EQ(manifest.inputs,
            (std::vector<ManifestFile>{
                {"in/abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
                {"empty", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}));
}

TEST(Manifest, IsReadAsItWasWritten) {
  const ScratchFolder folder;
  Manifest manifest;
  manifest.version = "1.2.3";
  manifest.recipe = {{"type", "Q8_0"}};
  manifest.inputs = {{"model.safetensors", 12, kNoHash}};
  manifest.outputs = {{"out.gguf", 34, kNoHash}};
  manifest.tensors = {{"a.weight", "Q8_0", 34, kNoHash}};
  write_file(folder.path() / "m.json", to_text(manifest));
  const Manifest read = read_manifest(folder.path() / "m.json");
  EXPECT_EQ(read.version, manifest.version);
  EXPECT_EQ(read.inputs, manifest.inputs);
  EXPECT_EQ(read.outputs, manifest.outputs);
  EXPECT_EQ(read.tensors, manifest.tensors);
}

TEST(Manifest, RefusesWhatIsNone) {
  const ScratchFolder folder;
  const std::string good = to_text(Manifest{"1.0", {}, {}, {{"out.gguf", 34, kNoHash}}, {}});
  const auto with = [&](std::string_view piece, std::string_view other) {
    std::string text = good;
    const std::size_t at = text.find(piece);
    if (at == std::string::npos) throw std::invalid_argument(std::string(piece));
    return text.replace(at, piece.size(), other);
  };
  const std::pair<std::string, std::string> cases[] = {
      {"{}", "is not a manifest"},
      {"[1]", "is not a manifest"},
      {with("\"schema\": 1", "\"schema\": 2"), "of format 2"},
      {with("\"bytes\": 34", "\"bytes\": -1"), "'bytes' is not a size"},
      {with(kNoHash, "0123"), "'0123' is not a SHA-256"},
      {with("\"file\"", "\"name\""), "'file' is not a string"},
      {with("\"tensors\": []", "\"tensors\": {}"), "'tensors' is not a list"}};
  for (const auto& [text, problem] : cases) {
    write_file(folder.path() / "m.json", text);
    try {
      read_manifest(folder.path() / "m.json");
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::input_invalid);
      EXPECT_NE(error.message().find(problem), std::string::npos) << error.message();
    }
  }
}

/// What verify says about an artifact and a manifest that `spoil` may have changed.
class ManifestCheck : public testing::Test {
 protected:
  ManifestCheck() {
    write_file(weights_, "weights");
    write_file(card_, "card");
    write_with_manifest({make_plan(varied_model(), find_file_type("Q8_0"), {})}, {output_}, 2, {{}, source_});
    manifest_ = read_manifest(manifest_path(output_));
  }

  VerifyReport check(bool with_source = false) const {
    const VerifyOptions options{.threads = 2,
                                .manifest = &manifest_,
                                .source_files = with_source ? source_ : std::vector<ManifestInput>{}};
    return verify(output_, nullptr, scalar(), options, silent_progress(), CancelToken());
  }

  ScratchFolder folder_;
  fs::path output_ = folder_.path() / "out.gguf";
  fs::path weights_ = folder_.path() / "weights";
  fs::path card_ = folder_.path() / "card";
  std::vector<ManifestInput> source_{{weights_, "weights", true}, {card_, "card", false}};
  Manifest manifest_;
};

TEST_F(ManifestCheck, PassesWhatIsUnchanged) {
  const VerifyReport report = check(true);
  EXPECT_TRUE(report.ok()) << report.problems.front();
  EXPECT_TRUE(report.warnings.empty());
}

TEST_F(ManifestCheck, PassesARenamedArtifact) {
  const fs::path renamed = folder_.path() / "other.gguf";
  fs::rename(output_, renamed);
  output_ = renamed;
  EXPECT_TRUE(check().ok());
}

TEST_F(ManifestCheck, NamesTheTensorThatWasChanged) {
  const GgufSource artifact(output_);
  const TensorInfo& tensor = *artifact.find("blk.0.attn_v.weight");
  std::string bytes = read_file(output_);
  bytes.at(tensor.offset + tensor.bytes - 1) ^= 1;
  write_file(output_, bytes);
  EXPECT_EQ(check().problems, (std::vector<std::string>{
                                  "'out.gguf' is not the file of the manifest: its SHA-256 is another",
                                  "tensor 'blk.0.attn_v.weight' is not the one of the manifest: its SHA-256 "
                                  "is another"}));
}

TEST_F(ManifestCheck, NoticesAFileThatWasCut) {
  fs::resize_file(output_, fs::file_size(output_) - 1000);
  const VerifyReport report = check();
  ASSERT_EQ(report.problems.size(), 2u);
  EXPECT_NE(report.problems[1].find("the manifest says"), std::string::npos) << report.problems[1];
}

TEST_F(ManifestCheck, NoticesTensorsThatAreNotThoseOfTheManifest) {
  manifest_.tensors[0].type = "Q4_0";
  manifest_.tensors[1].name = "stranger";
  const std::string renamed = GgufSource(output_).tensors()[1].name;
  EXPECT_EQ(check().problems, (std::vector<std::string>{"tensor '" + GgufSource(output_).tensors()[0].name +
                                                            "' is Q8_0, the manifest says Q4_0",
                                                        "tensor '" + renamed + "' is not in the manifest",
                                                        "tensor 'stranger' of the manifest is missing"}));
}

TEST_F(ManifestCheck, NoticesAMissingShard) {
  manifest_.outputs.push_back({"second.gguf", 1, kNoHash});
  EXPECT_EQ(check().problems, (std::vector<std::string>{"the artifact has 1 files, the manifest says 2"}));
}

TEST_F(ManifestCheck, JudgesTheSourcesFilesByWhatTheyDo) {
  write_file(weights_, "WEIGHTS");
  write_file(card_, "another card");
  manifest_.inputs.push_back({"imatrix.gguf", 1, kNoHash});
  const VerifyReport report = check(true);
  EXPECT_EQ(report.problems,
            (std::vector<std::string>{"source file 'weights' is not the file of the manifest: "
                                      "its SHA-256 is another"}));
  EXPECT_EQ(report.warnings, (std::vector<std::string>{"source file 'card' has 12 bytes, the manifest says 4",
                                                       "the manifest's input 'imatrix.gguf' was not given"}));
}

}  // namespace
}  // namespace qtz
