#include "qtz/formats/gguf_split.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <array>

#include "support/expect_error.h"
#include "support/gguf_bytes.h"
#include "support/scratch_folder.h"

namespace qtz {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::gguf_key;
using test::gguf_tensor;
using test::gguf_text;
using test::GgufParts;
using test::raw;
using test::ScratchFolder;

/// Shard `index` of `count`, holding one I8 tensor of that name; `total` is split.tensors.count.
GgufParts shard(std::uint16_t index, std::uint16_t count, const std::string& tensor, std::int32_t total) {
  GgufParts parts;
  if (index == 0) parts.keys.push_back(gguf_key("general.architecture", 8, gguf_text("llama")));
  parts.keys.push_back(gguf_key("split.no", 2, raw(index)));
  parts.keys.push_back(gguf_key("split.count", 2, raw(count)));
  parts.keys.push_back(gguf_key("split.tensors.count", 5, raw(total)));
  parts.tensors = {gguf_tensor(tensor, {4}, 24, 0)};
  parts.data = std::string(32, static_cast<char>('a' + index));
  return parts;
}

TEST(GgufSplitName, IsWrittenAndParsedAsLlamaCppDoes) {
  EXPECT_EQ(split_file_name("model", 0, 3), "model-00001-of-00003.gguf");
  EXPECT_EQ(split_file_name("", 2, 3), "-00003-of-00003.gguf");
  EXPECT_EQ(split_file_name("m", 65534, 65535), "m-65535-of-65535.gguf");
  EXPECT_EQ(parse_split_file_name("a-b-00002-of-00010.gguf"), (SplitName{"a-b", 1, 10}));
  for (const char* name : {"", "model.gguf", "m-00000-of-00003.gguf", "m-00004-of-00003.gguf",
                           "m-00001-of-00000.gguf", "m-0001-of-0003.gguf", "m-00001-of-00003.ggu",
                           "m-00001_of-00003.gguf", "m-0x001-of-00003.gguf", "m-+0001-of-00003.gguf",
                           "m-    1-of-00003.gguf", "m-00001-of-70000.gguf", "m-00001-of-00003.gguf.part"}) {
    EXPECT_EQ(parse_split_file_name(name), std::nullopt) << name;
  }
}

TEST(GgufSplitSource, OpensAllShardsFromTheFirst) {
  const ScratchFolder folder;
  const fs::path first = folder.add("m-00001-of-00003.gguf", shard(0, 3, "x", 3).file());
  folder.add("m-00002-of-00003.gguf", shard(1, 3, "y", 3).file());
  folder.add("m-00003-of-00003.gguf", shard(2, 3, "z", 3).file());
  const GgufSource source(first);
  ASSERT_EQ(source.tensors().size(), 3u);
  EXPECT_EQ(source.files().size(), 3u);
  EXPECT_EQ(source.tensors()[2].name, "z");
  EXPECT_EQ(source.tensors()[2].shard, 2u);
  std::array<std::byte, 1> byte{};
  source.read(source.tensors()[1], 0, byte);
  EXPECT_EQ(byte[0], std::byte{'b'});
  ASSERT_EQ(source.metadata().entries().size(), 1u) << "split keys are left out";
  EXPECT_EQ(*source.metadata().find("general.architecture"), GgufValue("llama"));
  EXPECT_TRUE(source.warnings().empty());
}

TEST(GgufSplitSource, FromALaterShardNamesTheFirst) {
  const ScratchFolder folder;
  const fs::path second = folder.add("m-00002-of-00003.gguf", shard(1, 3, "y", 3).file());
  expect_error(ErrorKind::input_invalid, "is shard 2 of 3 of a split GGUF",
               [&] { GgufSource source(second); });
  expect_error(ErrorKind::input_invalid, "m-00001-of-00003.gguf", [&] { GgufSource source(second); });
}

TEST(GgufSplitSource, NamesMissingShards) {
  const ScratchFolder folder;
  const fs::path first = folder.add("m-00001-of-00003.gguf", shard(0, 3, "x", 3).file());
  expect_error(ErrorKind::input_missing,
               "2 of 3 shards are missing: m-00002-of-00003.gguf, m-00003-of-00003.gguf",
               [&] { GgufSource source(first); });
}

TEST(GgufSplitSource, UnderAnotherNameSaysHowItMustBeNamed) {
  const ScratchFolder folder;
  for (const char* name : {"renamed.gguf", "m-00001-of-00004.gguf", "m-00002-of-00003.gguf"}) {
    const fs::path path = folder.add(name, shard(0, 3, "x", 3).file());
    expect_error(ErrorKind::input_invalid, "its name must end with -00001-of-00003.gguf",
                 [&] { GgufSource source(path); });
  }
}

TEST(GgufSplitSource, RefusesShardsThatDoNotBelongTogether) {
  const ScratchFolder folder;
  const fs::path first = folder.add("m-00001-of-00002.gguf", shard(0, 2, "x", 2).file());
  const auto refuses_second = [&](const GgufParts& second, std::string_view piece) {
    folder.add("m-00002-of-00002.gguf", second.file());
    expect_error(ErrorKind::input_invalid, piece, [&] { GgufSource source(first); });
  };
  refuses_second(shard(0, 2, "y", 2), "says that it is shard 1, its name says 2");
  refuses_second(shard(1, 3, "y", 2), "says that there are 3 shards");
  refuses_second(shard(1, 2, "x", 2), "tensor 'x' appears twice, also in");
  GgufParts without_keys = shard(1, 2, "y", 2);
  without_keys.keys.clear();
  refuses_second(without_keys, "has no split.no");
  folder.add("m-00002-of-00002.gguf", shard(1, 2, "y", 2).file());
  folder.add("m-00001-of-00002.gguf", shard(0, 2, "x", 7).file());
  expect_error(ErrorKind::input_invalid, "split.tensors.count is 7 but the shards hold 2 tensors",
               [&] { GgufSource source(first); });
  GgufParts without_total = shard(0, 2, "x", 2);
  without_total.keys.pop_back();
  folder.add("m-00001-of-00002.gguf", without_total.file());
  expect_error(ErrorKind::input_invalid, "no split.tensors.count", [&] { GgufSource source(first); });
}

TEST(GgufSplitSource, RefusesALaterShardThatContradictsTheFirst) {
  const ScratchFolder folder;
  const fs::path first = folder.add("m-00001-of-00002.gguf", shard(0, 2, "x", 2).file());
  GgufParts second = shard(1, 2, "y", 2);
  second.keys.push_back(gguf_key("general.architecture", 8, gguf_text("gemma2")));
  folder.add("m-00002-of-00002.gguf", second.file());
  expect_error(ErrorKind::input_invalid, "m-00002-of-00002.gguf: key 'general.architecture' differs",
               [&] { GgufSource source(first); });
}

TEST(GgufSplitSource, ALaterShardMayRepeatKeysAndHaveItsOwnAlignment) {
  const ScratchFolder folder;
  GgufParts parts = shard(0, 2, "x", 2);
  parts.keys.push_back(gguf_key("general.alignment", 4, raw(64u)));
  parts.alignment = 64;
  parts.data.resize(64);
  const fs::path first = folder.add("m-00001-of-00002.gguf", parts.file());
  GgufParts second = shard(1, 2, "y", 2);
  second.keys.push_back(gguf_key("general.architecture", 8, gguf_text("llama")));
  second.keys.push_back(gguf_key("general.alignment", 4, raw(32u)));
  folder.add("m-00002-of-00002.gguf", second.file());
  EXPECT_EQ(GgufSource(first).warnings(), std::vector<std::string>{});
}

TEST(GgufSplitSource, WarnsOfKeysThatOnlyALaterShardHas) {
  const ScratchFolder folder;
  const fs::path first = folder.add("m-00001-of-00002.gguf", shard(0, 2, "x", 2).file());
  GgufParts second = shard(1, 2, "y", 2);
  for (int i = 0; i < 7; ++i) second.keys.push_back(gguf_key("late." + std::to_string(i), 4, raw(1u)));
  folder.add("m-00002-of-00002.gguf", second.file());
  const GgufSource source(first);
  EXPECT_EQ(source.metadata().find("late.0"), nullptr);
  ASSERT_EQ(source.warnings().size(), 1u);
  EXPECT_NE(
      source.warnings()[0].find("left out: 'late.0', 'late.1', 'late.2', 'late.3', 'late.4' and 2 more"),
      std::string::npos)
      << source.warnings()[0];
}

TEST(GgufSplitSource, OfOneFileWithSplitKeysIsAnOrdinaryFile) {
  const ScratchFolder folder;
  const GgufSource source(folder.add("single.gguf", shard(0, 1, "x", 1).file()));
  EXPECT_EQ(source.tensors().size(), 1u);
  EXPECT_EQ(source.metadata().find("split.count"), nullptr);
}

TEST(GgufSplitSource, WithMoreShardsThanOpenFilesAllowedIsAResourceError) {
  const ScratchFolder folder;
  for (std::uint32_t i = 0; i < 80; ++i) {
    folder.add(split_file_name("m", i, 80),
               shard(static_cast<std::uint16_t>(i), 80, "t" + std::to_string(i), 80).file());
  }
  const fs::path first = folder.path() / split_file_name("m", 0, 80);
  EXPECT_EQ(GgufSource(first).tensors().size(), 80u);
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit small{40, limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &small), 0);
  expect_error(ErrorKind::resource, "ulimit -n", [&] { GgufSource source(first); });
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
}

std::string file_of(const GgufLayout& layout) {
  std::string bytes(test::as_text(layout.header));
  bytes.resize(layout.file_bytes, '\0');
  return bytes;
}

TEST(GgufSplitLayouts, PutAllMetadataInTheFirstShardAndReadBackTheSame) {
  KvList kv;
  kv.set("split.count", std::uint16_t{9});  // of the input: replaced
  kv.set("general.architecture", "llama");
  const std::array tensors = {GgufTensor{"a", DType::f32, Shape{3}}, GgufTensor{"b", DType::f32, Shape{40}},
                              GgufTensor{"c", DType::f32, Shape{5}}};
  const std::array<std::uint32_t, 3> shards = {1, 0, 1};
  const auto layouts = make_gguf_split_layouts(kv, tensors, shards);
  ASSERT_EQ(layouts.size(), 2u);
  EXPECT_EQ(layouts[0].tensors, (std::vector<std::size_t>{1}));
  EXPECT_EQ(layouts[1].tensors, (std::vector<std::size_t>{0, 2}));
  EXPECT_EQ(layouts[1].sizes, (std::vector<std::uint64_t>{12, 20}));
  EXPECT_EQ(layouts[1].offsets[1], layouts[1].offsets[0] + 32);

  GgufParts second;
  second.keys = {gguf_key("split.no", 2, raw<std::uint16_t>(1)),
                 gguf_key("split.count", 2, raw<std::uint16_t>(2)),
                 gguf_key("split.tensors.count", 5, raw<std::int32_t>(3))};
  second.tensors = {gguf_tensor("a", {3}, 0, 0), gguf_tensor("c", {5}, 0, 32)};
  EXPECT_EQ(test::as_text(layouts[1].header), second.file());

  const ScratchFolder folder;
  for (std::uint32_t i = 0; i < 2; ++i) folder.add(split_file_name("out", i, 2), file_of(layouts[i]));
  const GgufSource source(folder.path() / "out-00001-of-00002.gguf");
  EXPECT_EQ(source.metadata().entries().size(), 1u);
  ASSERT_EQ(source.tensors().size(), 3u);
  EXPECT_EQ(source.tensors()[0].name, "b");
  EXPECT_EQ(source.tensors()[2].name, "c");
}

TEST(GgufSplitLayouts, OfOneShardAreAnOrdinaryFile) {
  KvList kv;
  kv.set("k", 1u);
  const std::array tensors = {GgufTensor{"a", DType::f32, Shape{3}}};
  const std::array<std::uint32_t, 1> shards = {0};
  const auto layouts = make_gguf_split_layouts(kv, tensors, shards);
  ASSERT_EQ(layouts.size(), 1u);
  EXPECT_EQ(test::as_text(layouts[0].header), test::as_text(make_gguf_layout(kv, tensors).header));
}

TEST(GgufSplitLayouts, AShardMayBeLeftWithoutTensors) {
  const std::array tensors = {GgufTensor{"a", DType::f32, Shape{3}}, GgufTensor{"b", DType::f32, Shape{3}}};
  const std::array<std::uint32_t, 2> shards = {0, 2};
  const auto layouts = make_gguf_split_layouts({}, tensors, shards);
  const ScratchFolder folder;
  for (std::uint32_t i = 0; i < 3; ++i) folder.add(split_file_name("out", i, 3), file_of(layouts[i]));
  EXPECT_EQ(GgufSource(folder.path() / "out-00001-of-00003.gguf").tensors().size(), 2u);
}

TEST(GgufSplitLayouts, RefuseMoreShardsThanTheirNumberHolds) {
  const std::array tensors = {GgufTensor{"a", DType::f32, Shape{3}}};
  const std::array<std::uint32_t, 1> shards = {65535};
  expect_error(ErrorKind::input_invalid, "more than 65535 files",
               [&] { make_gguf_split_layouts({}, tensors, shards); });
}

}  // namespace
}  // namespace qtz
