#include <gtest/gtest.h>

#include <array>

#include "qtz/formats/gguf.h"
#include "support/expect_error.h"
#include "support/gguf_bytes.h"
#include "support/scratch_folder.h"

namespace qtz {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::ScratchFolder;

KvList sample_metadata() {
  KvList kv;
  kv.set("general.architecture", "llama");
  kv.set("u8", std::uint8_t{1});
  kv.set("i8", std::int8_t{-1});
  kv.set("u16", std::uint16_t{2});
  kv.set("i16", std::int16_t{-2});
  kv.set("u32", std::uint32_t{3});
  kv.set("i32", std::int32_t{-3});
  kv.set("u64", std::uint64_t{1} << 40);
  kv.set("i64", -(std::int64_t{1} << 40));
  kv.set("f32", 0.1f);
  kv.set("f64", 0.1);
  kv.set("yes", true);
  kv.set("text", std::string("line\nwith \xE2\x82\xAC and \0 inside", 24));
  kv.set("texts", std::vector<std::string>{"", "a", std::string(300, 'x')});
  kv.set("ints", std::vector<std::int32_t>{-1, 0, 1});
  kv.set("uints", std::vector<std::uint32_t>{});
  kv.set("floats", std::vector<float>{1.5f, -0.0f});
  kv.set("flags", GgufValue::bool_array({true, false}));
  kv.set("longs", GgufArray{GgufType::i64, std::vector<std::int64_t>{-5}});
  return kv;
}

std::vector<GgufTensor> sample_tensors() {
  return {{"scalar", DType::f32, Shape{}},
          {"vector", DType::f32, Shape{5}},
          {"matrix", DType::f16, Shape{3, 7}},
          {"blocks", DType::q8_0, Shape{2, 64}},
          {"four", DType::bf16, Shape{2, 1, 3, 5}},
          {"nothing", DType::f32, Shape{0, 4}},
          {std::string(63, 'n'), DType::i32, Shape{1}}};
}

/// The file a layout describes, data byte k of tensor i being i + k.
std::string file_of(const GgufLayout& layout) {
  std::string bytes(test::as_text(layout.header));
  bytes.resize(layout.file_bytes, '\0');
  for (std::size_t i = 0; i < layout.offsets.size(); ++i) {
    for (std::uint64_t k = 0; k < layout.sizes[i]; ++k)
      bytes[layout.offsets[i] + k] = static_cast<char>(i + k);
  }
  return bytes;
}

TEST(GgufLayout, WrittenAndReadBackIsTheSame) {
  const KvList kv = sample_metadata();
  const auto tensors = sample_tensors();
  const GgufLayout layout = make_gguf_layout(kv, tensors);
  const ScratchFolder folder;
  const GgufSource source(folder.add("out.gguf", file_of(layout)));
  EXPECT_EQ(source.metadata(), kv);
  EXPECT_EQ(source.version(), 3u);
  EXPECT_TRUE(source.warnings().empty());
  ASSERT_EQ(source.tensors().size(), tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const TensorInfo& read = source.tensors()[i];
    EXPECT_EQ(read.name, tensors[i].name);
    EXPECT_EQ(read.dtype, tensors[i].dtype);
    EXPECT_EQ(read.shape, i == 0 ? Shape{1} : tensors[i].shape);
    EXPECT_EQ(read.offset, layout.offsets[i]);
    EXPECT_EQ(read.bytes, layout.sizes[i]);
    EXPECT_EQ(layout.tensors[i], i);
    EXPECT_EQ(read.offset % 32, 0u);
    if (read.bytes == 0) continue;
    std::byte last{};
    source.read(read, read.bytes - 1, std::span(&last, 1));
    EXPECT_EQ(last, static_cast<std::byte>(i + read.bytes - 1));
  }
  EXPECT_EQ(layout.sizes, (std::vector<std::uint64_t>{4, 20, 42, 136, 60, 0, 4}));
  EXPECT_EQ(layout.file_bytes % 32, 0u);
  EXPECT_EQ(layout.file_bytes, layout.offsets.back() + 32);
}

TEST(GgufLayout, HeaderHasExactlyTheDocumentedBytes) {
  KvList kv;
  kv.set("k", std::uint32_t{7});
  const std::array tensors = {GgufTensor{"t", DType::f32, Shape{2, 3}}};
  const GgufLayout layout = make_gguf_layout(kv, tensors);
  test::GgufParts parts;
  parts.keys = {test::gguf_key("k", 4, test::raw(7u))};
  parts.tensors = {test::gguf_tensor("t", {3, 2}, 0, 0)};
  EXPECT_EQ(test::as_text(layout.header), parts.file());
  EXPECT_EQ(layout.offsets[0], layout.header.size());
  EXPECT_EQ(layout.file_bytes, layout.header.size() + 32);
}

TEST(GgufLayout, FollowsTheAlignmentOfTheMetadata) {
  KvList kv;
  kv.set("general.alignment", std::uint32_t{256});
  const std::array tensors = {GgufTensor{"a", DType::i8, Shape{1}}, GgufTensor{"b", DType::i8, Shape{1}}};
  const GgufLayout layout = make_gguf_layout(kv, tensors);
  EXPECT_EQ(layout.header.size(), 256u);
  EXPECT_EQ(layout.offsets, (std::vector<std::uint64_t>{256, 512}));
  EXPECT_EQ(layout.file_bytes, 768u);
  const ScratchFolder folder;
  EXPECT_EQ(GgufSource(folder.add("aligned.gguf", file_of(layout))).alignment(), 256u);
}

TEST(GgufLayout, WithoutTensorsIsAHeaderOnly) {
  const GgufLayout layout = make_gguf_layout(sample_metadata(), {});
  EXPECT_EQ(layout.file_bytes, layout.header.size());
  const ScratchFolder folder;
  EXPECT_EQ(GgufSource(folder.add("meta.gguf", file_of(layout))).metadata(), sample_metadata());
}

TEST(GgufLayout, RefusesWhatGgufCannotHold) {
  const auto refuses = [](const GgufTensor& tensor, std::string_view piece) {
    const std::array tensors = {GgufTensor{"first", DType::f32, Shape{1}}, tensor};
    expect_error(ErrorKind::input_invalid, piece, [&] { make_gguf_layout({}, tensors); });
  };
  refuses({std::string(64, 'n'), DType::f32, Shape{1}},
          "has a name of 64 bytes; GGUF holds names of at most 63");
  refuses({"", DType::f32, Shape{1}}, "empty name");
  refuses({std::string("a\0b", 3), DType::f32, Shape{1}}, "NUL byte in its name");
  refuses({"first", DType::f32, Shape{1}}, "tensor 'first' would be written twice");
  refuses({"t", DType::f32, Shape{1, 1, 1, 1, 1}},
          "tensor 't' has shape [1, 1, 1, 1, 1]; GGUF holds at most 4");
  refuses({"t", DType::u8, Shape{4}}, "tensor 't' has type U8, which GGUF cannot hold");
  refuses({"t", DType::q8_0, Shape{33}}, "tensor 't': rows of 33 elements are not whole blocks of 32");
  refuses({"t", DType::f32, Shape{1ull << 62, 1}}, "overflows");
  const std::array exabytes = {GgufTensor{"a", DType::i8, Shape{1ull << 62}},
                               GgufTensor{"b", DType::i8, Shape{1ull << 62}}};
  expect_error(ErrorKind::input_invalid, "more bytes than a file can have",
               [&] { make_gguf_layout({}, exabytes); });
}

TEST(GgufLayout, RefusesKeysAndAlignmentsThatReadersRefuse) {
  const auto refuses = [](std::string key, GgufValue value, std::string_view piece) {
    KvList kv;
    kv.set(std::move(key), std::move(value));
    expect_error(ErrorKind::input_invalid, piece, [&] { make_gguf_layout(kv, {}); });
  };
  refuses("", 1u, "metadata key ''");
  refuses(std::string(65536, 'k'), 1u, "cannot be stored");
  refuses(std::string("a\0", 2), 1u, "cannot be stored");
  refuses("general.alignment", 0u, "power of two");
  refuses("general.alignment", 24u, "power of two");
  refuses("general.alignment", std::uint64_t{32}, "must be a u32");
  refuses("general.alignment", 1u << 31, "general.alignment is 2147483648, more than the limit of 1048576");
  refuses("general.alignment", 1u << 21, "more than the limit");
  KvList largest;
  largest.set("general.alignment", 1u << 20);
  EXPECT_EQ(make_gguf_layout(largest, {}).file_bytes, 1u << 20);
}

}  // namespace
}  // namespace qtz
