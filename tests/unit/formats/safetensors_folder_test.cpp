#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "qtz/formats/safetensors.h"
#include "support/expect_error.h"
#include "support/safetensors_bytes.h"
#include "support/scratch_folder.h"

namespace qtz {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;
using test::entry;
using test::expect_error;
using test::safetensors_file;
using test::ScratchFolder;

std::string shard_with(const std::string& tensor) {
  return safetensors_file("{" + entry(tensor, "U8", "[4]", 0, 4) + "}", 4);
}

std::string index_of(const std::string& map, const std::string& total = "8") {
  return "{\"metadata\":{\"total_size\":" + total + ",\"more\":[1,{\"deep\":null}]},\"weight_map\":{" + map +
         "}}";
}

const std::string kMap =
    "\"b\":\"model-00002-of-00002.safetensors\",\"a\":\"model-00001-of-00002.safetensors\"";

/// A complete sharded model of two tensors.
void add_sharded_model(const ScratchFolder& folder) {
  folder.add("model.safetensors.index.json", index_of(kMap));
  folder.add("model-00001-of-00002.safetensors", shard_with("a"));
  folder.add("model-00002-of-00002.safetensors", shard_with("b"));
}

TEST(SafetensorsIndex, OpensAllShardsInTheOrderOfTheirNames) {
  const ScratchFolder folder;
  add_sharded_model(folder);
  for (const fs::path& path : {folder.path(), folder.path() / "model.safetensors.index.json"}) {
    const SafetensorsSource source(path);
    ASSERT_EQ(source.tensors().size(), 2u);
    EXPECT_EQ(source.tensors()[0].name, "a");
    EXPECT_EQ(source.tensors()[1].name, "b");
    EXPECT_EQ(source.tensors()[1].shard, 1u);
    EXPECT_EQ(source.files().size(), 2u);
    EXPECT_TRUE(source.warnings().empty());
  }
}

TEST(SafetensorsIndex, WithAWrongTotalSizeIsReadWithAWarning) {
  const ScratchFolder folder;
  add_sharded_model(folder);
  folder.add("model.safetensors.index.json", index_of(kMap, "9"));
  const SafetensorsSource wrong(folder.path());
  ASSERT_EQ(wrong.warnings().size(), 1u);
  EXPECT_NE(wrong.warnings()[0].find("total_size says 9 bytes, the tensors have 8"), std::string::npos);
  folder.add("model.safetensors.index.json", index_of(kMap, "8.0"));
  EXPECT_TRUE(SafetensorsSource(folder.path()).warnings().empty());
}

TEST(SafetensorsIndex, NamesEveryMissingShard) {
  const ScratchFolder folder;
  folder.add("model.safetensors.index.json", index_of(kMap));
  expect_error(
      ErrorKind::input_missing,
      "2 of 2 shards are missing: model-00001-of-00002.safetensors, model-00002-of-00002.safetensors",
      [&] { SafetensorsSource source(folder.path()); });
}

TEST(SafetensorsIndex, AndShardsMustAgreeBothWays) {
  const ScratchFolder folder;
  add_sharded_model(folder);
  folder.add("model-00002-of-00002.safetensors", shard_with("c"));
  expect_error(ErrorKind::input_invalid,
               "listed but not in their shard: 'b' (model-00002-of-00002.safetensors)",
               [&] { SafetensorsSource source(folder.path()); });
  expect_error(ErrorKind::input_invalid,
               "in a shard but not listed there: 'c' (model-00002-of-00002.safetensors)",
               [&] { SafetensorsSource source(folder.path()); });
}

TEST(SafetensorsIndex, ATensorInTheOtherShardIsADisagreement) {
  const ScratchFolder folder;
  add_sharded_model(folder);
  folder.add("model-00001-of-00002.safetensors", shard_with("b"));
  folder.add("model-00002-of-00002.safetensors", shard_with("a"));
  expect_error(ErrorKind::input_invalid, "shards disagree", [&] { SafetensorsSource source(folder.path()); });
}

TEST(SafetensorsIndex, ATensorInTwoShardsIsRefused) {
  const ScratchFolder folder;
  add_sharded_model(folder);
  folder.add(
      "model-00002-of-00002.safetensors",
      safetensors_file("{" + entry("b", "U8", "[4]", 0, 4) + "," + entry("a", "U8", "[1]", 4, 5) + "}", 5));
  expect_error(ErrorKind::input_invalid, "tensor 'a' appears twice, also in",
               [&] { SafetensorsSource source(folder.path()); });
}

TEST(SafetensorsIndex, RefusesShardNamesThatAreNotPlainFileNames) {
  for (const std::string name :
       {"../x.safetensors", "/etc/passwd", "a/b", "a\\\\b", "C:x", "", ".", "..", "a\\u0000b", "a\\nb"}) {
    const ScratchFolder folder;
    folder.add("model.safetensors.index.json", index_of("\"a\":\"" + name + "\""));
    SCOPED_TRACE(name);
    expect_error(ErrorKind::input_invalid, "must be a plain file name",
                 [&] { SafetensorsSource source(folder.path()); });
  }
}

TEST(SafetensorsIndex, RefusesEverythingThatIsNotAMapOfNames) {
  const std::vector<std::pair<std::string, const char*>> cases = {
      {"", "does not start with '{'"},
      {"[]", "does not start with '{'"},
      {"{}", "has no weight_map"},
      {"{\"weight_map\":{}}", "weight_map is empty"},
      {"{\"weight_map\":[]}", "weight_map is not an object but an array"},
      {"{\"weight_map\":3}", "weight_map is not an object but a number"},
      {"{\"weight_map\":null}", "weight_map is not an object but null"},
      {"{\"weight_map\":{\"a\":1}}", "gives a number and not a file name for tensor 'a'"},
      {"{\"weight_map\":{\"a\":{}}}", "gives an object and not a file name for tensor 'a'"},
      {"{\"weight_map\":{\"a\":[]}}", "gives an array and not a file name for tensor 'a'"},
      {"{\"weight_map\":{\"a\":\"x\",\"a\":\"x\"}}", "has tensor 'a' twice"},
      {"{\"weight_map\":{},\"weight_map\":{}}", "two weight_maps"},
      {"{\"weight_map\":{}", "not valid JSON"},
      {"{\"weight_map\":{}}\0"s, "not valid JSON"},
      {"{\"x\":" + std::string(100'000, '['), "nested deeper"},
      {"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"},
      {"<html>", "HTML"},
  };
  for (const auto& [text, piece] : cases) {
    const ScratchFolder folder;
    folder.add("model.safetensors.index.json", text);
    SCOPED_TRACE(text.substr(0, 60));
    expect_error(ErrorKind::input_invalid, piece, [&] { SafetensorsSource source(folder.path()); });
  }
}

TEST(SafetensorsIndex, OfMoreThan64MebibytesIsRefusedUnread) {
  const ScratchFolder folder;
  const fs::path path = folder.add("model.safetensors.index.json", "{");
  fs::resize_file(path, (64u << 20) + 1);  // sparse
  expect_error(ErrorKind::input_invalid, "larger than the limit of 67.1 MB",
               [&] { SafetensorsSource source(folder.path()); });
}

TEST(SafetensorsFolder, PrefersTheIndexAndSaysSo) {
  const ScratchFolder folder;
  add_sharded_model(folder);
  folder.add("model.safetensors", shard_with("z"));
  const SafetensorsSource source(folder.path());
  EXPECT_EQ(source.tensors().size(), 2u);
  ASSERT_EQ(source.warnings().size(), 1u);
  EXPECT_NE(source.warnings()[0].find("the index is used"), std::string::npos);
}

TEST(SafetensorsFolder, TakesModelSafetensorsBeforeOthers) {
  const ScratchFolder folder;
  folder.add("model.safetensors", shard_with("a"));
  folder.add("consolidated.safetensors", shard_with("z"));
  EXPECT_NE(SafetensorsSource(folder.path()).find("a"), nullptr);
}

TEST(SafetensorsFolder, TakesALoneFileOfAnyName) {
  const ScratchFolder folder;
  folder.add("weights.safetensors", shard_with("a"));
  folder.add("config.json", "{}");
  EXPECT_NE(SafetensorsSource(folder.path()).find("a"), nullptr);
}

TEST(SafetensorsFolder, TakesAnotherIndexWhenItIsTheOnlyOne) {
  const ScratchFolder folder;
  folder.add("diffusion.safetensors.index.json", "{\"weight_map\":{\"a\":\"d.safetensors\"}}");
  folder.add("d.safetensors", shard_with("a"));
  folder.add("other.safetensors", shard_with("z"));
  EXPECT_NE(SafetensorsSource(folder.path()).find("a"), nullptr);
  folder.add("second.safetensors.index.json", "{\"weight_map\":{}}");
  expect_error(ErrorKind::input_invalid, "several indexes", [&] { SafetensorsSource source(folder.path()); });
}

TEST(SafetensorsFolder, TakesACompleteNumberedSetWithoutIndex) {
  const ScratchFolder folder;
  folder.add("output-00001-of-00003.safetensors", shard_with("a"));
  folder.add("output-00002-of-00003.safetensors", shard_with("b"));
  expect_error(ErrorKind::input_invalid, "no complete numbered set",
               [&] { SafetensorsSource source(folder.path()); });
  folder.add("output-00003-of-00003.safetensors", shard_with("c"));
  EXPECT_EQ(SafetensorsSource(folder.path()).tensors().size(), 3u);
  folder.add("extra.safetensors", shard_with("d"));
  expect_error(ErrorKind::input_invalid, "no complete numbered set",
               [&] { SafetensorsSource source(folder.path()); });
}

TEST(SafetensorsFolder, WithOnlyPicklesSaysThatPicklesAreNotRead) {
  const ScratchFolder folder;
  folder.add("pytorch_model.bin", "PK\x03\x04");
  folder.add("config.json", "{}");
  expect_error(ErrorKind::input_invalid, "only other checkpoints (pytorch_model.bin)",
               [&] { SafetensorsSource source(folder.path()); });
  expect_error(ErrorKind::input_invalid, "convert them to safetensors",
               [&] { SafetensorsSource source(folder.path()); });
}

TEST(SafetensorsFolder, WithOnlyAGgufSaysToGiveTheFile) {
  const ScratchFolder folder;
  folder.add("model.gguf", "GGUF");
  expect_error(ErrorKind::input_invalid, "give the .gguf file itself",
               [&] { SafetensorsSource source(folder.path()); });
}

TEST(SafetensorsFolder, EmptyOrMissingIsAMissingInput) {
  const ScratchFolder folder;
  expect_error(ErrorKind::input_missing, "holds no .safetensors file",
               [&] { SafetensorsSource source(folder.path()); });
  expect_error(ErrorKind::input_missing, "cannot open",
               [&] { SafetensorsSource source(folder.path() / "nowhere"); });
}

TEST(SafetensorsFolder, OfAHubCacheIsReadThroughItsLinks) {
  const ScratchFolder cache;
  cache.add("blobs/1111", shard_with("a"));
  cache.add("blobs/2222", shard_with("b"));
  cache.add("blobs/3333", index_of(kMap));
  const fs::path snapshot = cache.path() / "snapshots/abcdef";
  fs::create_directories(snapshot);
  fs::create_symlink("../../blobs/1111", snapshot / "model-00001-of-00002.safetensors");
  fs::create_symlink("../../blobs/2222", snapshot / "model-00002-of-00002.safetensors");
  fs::create_symlink("../../blobs/3333", snapshot / "model.safetensors.index.json");
  const SafetensorsSource source(snapshot);
  EXPECT_EQ(source.tensors().size(), 2u);
  EXPECT_TRUE(source.warnings().empty());
  fs::create_directory_symlink("snapshots/abcdef", cache.path() / "current");
  EXPECT_TRUE(SafetensorsSource(cache.path() / "current").warnings().empty());
}

TEST(SafetensorsFolder, WarnsOfALinkThatLeavesIt) {
  const ScratchFolder elsewhere;
  const ScratchFolder folder;
  add_sharded_model(folder);
  const fs::path target = elsewhere.add("private.safetensors", shard_with("b"));
  fs::remove(folder.path() / "model-00002-of-00002.safetensors");
  fs::create_symlink(target, folder.path() / "model-00002-of-00002.safetensors");
  const SafetensorsSource source(folder.path());
  ASSERT_EQ(source.warnings().size(), 1u);
  EXPECT_NE(source.warnings()[0].find("outside the model's folder"), std::string::npos);
  EXPECT_NE(source.warnings()[0].find("private.safetensors"), std::string::npos);
}

TEST(SafetensorsFolder, ALinkThatDanglesOrLoopsIsAMissingShard) {
  const ScratchFolder folder;
  add_sharded_model(folder);
  const fs::path second = folder.path() / "model-00002-of-00002.safetensors";
  fs::remove(second);
  fs::create_symlink("nowhere", second);
  expect_error(ErrorKind::input_missing, "1 of 2 shards are missing",
               [&] { SafetensorsSource source(folder.path()); });
  fs::remove(second);
  fs::create_symlink(second.filename(), second);
  expect_error(ErrorKind::input_missing, "1 of 2 shards are missing",
               [&] { SafetensorsSource source(folder.path()); });
}

TEST(SafetensorsFolder, AShardThatIsNotAFileIsRefusedWithoutHanging) {
  const ScratchFolder folder;
  add_sharded_model(folder);
  const fs::path second = folder.path() / "model-00002-of-00002.safetensors";
  fs::remove(second);
  fs::create_directory(second);
  expect_error(ErrorKind::input_invalid, "is not a regular file",
               [&] { SafetensorsSource source(folder.path()); });
  fs::remove(second);
  ASSERT_EQ(::mkfifo(second.c_str(), 0600), 0);
  expect_error(ErrorKind::input_invalid, "is not a regular file",
               [&] { SafetensorsSource source(folder.path()); });
  fs::remove(second);
  fs::create_symlink("/dev/zero", second);
  expect_error(ErrorKind::input_invalid, "is not a regular file",
               [&] { SafetensorsSource source(folder.path()); });
}

TEST(SafetensorsFolder, WithMoreShardsThanOpenFilesAllowedIsAResourceError) {
  const ScratchFolder folder;
  std::string map;
  for (int i = 0; i < 200; ++i) {
    const std::string name = "s" + std::to_string(i);
    map += (i > 0 ? ",\"" : "\"") + name + "\":\"" + name + ".safetensors\"";
    folder.add(name + ".safetensors", shard_with(name));
  }
  folder.add("model.safetensors.index.json", "{\"weight_map\":{" + map + "}}");
  EXPECT_EQ(SafetensorsSource(folder.path()).files().size(), 200u);
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit small{64, limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &small), 0);
  expect_error(ErrorKind::resource, "ulimit -n", [&] { SafetensorsSource source(folder.path()); });
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
}

}  // namespace
}  // namespace qtz
