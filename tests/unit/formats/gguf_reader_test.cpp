#include <gtest/gtest.h>

#include <array>
#include <limits>

#include "qtz/formats/gguf.h"
#include "support/expect_error.h"
#include "support/gguf_bytes.h"
#include "support/scratch_folder.h"

namespace qtz {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;
using test::expect_error;
using test::gguf_array;
using test::gguf_key;
using test::gguf_tensor;
using test::gguf_text;
using test::GgufParts;
using test::raw;
using test::ScratchFolder;

constexpr std::uint64_t kHuge = std::numeric_limits<std::uint64_t>::max();

/// A small good file: two keys, an F32 [2, 3] of 24 bytes padded to 32 and an I8 [4].
GgufParts good_parts() {
  GgufParts parts;
  parts.keys = {gguf_key("general.architecture", 8, gguf_text("llama")),
                gguf_key("list", 9, gguf_array(8, 2, gguf_text("a") + gguf_text("")))};
  parts.tensors = {gguf_tensor("first", {3, 2}, 0, 0), gguf_tensor("second", {4}, 24, 32)};
  parts.data = std::string(32, '\1') + std::string(4, '\2');
  return parts;
}

struct BadGguf {
  const char* name;
  std::string bytes;
  const char* piece;

  friend void PrintTo(const BadGguf& bad, std::ostream* out) { *out << bad.name; }
};

std::string with_key(const std::string& key) {
  GgufParts parts = good_parts();
  parts.keys.push_back(key);
  return parts.file();
}

std::string with_second(const std::string& tensor) {
  GgufParts parts = good_parts();
  parts.tensors[1] = tensor;
  return parts.file();
}

std::string with_header(const std::string& magic, std::uint32_t version) {
  GgufParts parts = good_parts();
  parts.magic = magic;
  parts.version = version;
  return parts.file();
}

std::string with_counts(std::uint64_t tensors, std::uint64_t keys) {
  return "GGUF"s + raw<std::uint32_t>(3) + raw(tensors) + raw(keys) + std::string(100, '\0');
}

std::vector<BadGguf> bad_ggufs() {
  return {
      {"EmptyFile", "", "is empty"},
      {"ThreeBytes", "GGU", "does not start with 'GGUF'"},
      {"OnlyMagic", "GGUF", "the version at byte 4 needs 4 bytes but only 0 are left"},
      {"WrongMagic", with_header("GGUX", 3), "does not start with 'GGUF'"},
      {"SwappedMagic", with_header("FUGG", 3), "big-endian"},
      {"OldGgml", with_header("tjgg", 3), "older than GGUF"},
      {"Safetensors", "\x02\0\0\0\0\0\0\0{}"s, "is a safetensors file"},
      {"LfsPointer", "version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"},
      {"Version0", with_header("GGUF", 0), "has GGUF version 0"},
      {"Version1", with_header("GGUF", 1), "has GGUF version 1"},
      {"Version4", with_header("GGUF", 4), "has GGUF version 4"},
      {"BigEndianVersion", with_header("GGUF", 0x03000000), "big-endian GGUF file (version 3)"},
      {"KeyCount2To63", with_counts(0, 1ull << 63), "claims 9223372036854775808 keys"},
      {"KeyCountHuge", with_counts(0, kHuge), "claims 18446744073709551615 keys"},
      {"KeyCountMoreThanBytes", with_counts(0, 60000), "the list of keys at byte 24 claims 60000 items"},
      {"TensorCount2To63", with_counts(1ull << 63, 0), "claims 9223372036854775808 tensors"},
      {"TensorCountHuge", with_counts(kHuge, 0), "claims 18446744073709551615 tensors"},
      {"TensorCountMoreThanBytes", with_counts(1000000, 0),
       "the list of tensors at byte 24 claims 1000000 items"},
      {"KeyLengthHuge", with_key(raw(kHuge) + "x"), "key 2 has 18446744073709551615 bytes"},
      {"KeyLengthBeyondFile", with_key(raw<std::uint64_t>(60000) + "x"), "key 2 at byte"},
      {"KeyEmpty", with_key(gguf_key("", 4, raw(1u))), "key 2 is empty"},
      {"KeyWithNul", with_key(gguf_key("a\0b"s, 4, raw(1u))), "holds a NUL byte"},
      {"KeyTwice", with_key(gguf_key("list", 4, raw(1u))), "key 'list' appears twice"},
      {"ValueType13", with_key(gguf_key("k", 13, raw(1u))), "key 'k' has the unknown value type 13"},
      {"ValueType255", with_key(gguf_key("k", 255, raw(1u))), "unknown value type 255"},
      {"StringLengthHuge", with_key(gguf_key("k", 8, raw(kHuge))),
       "key 'k' has a string of 18446744073709551615 bytes"},
      {"StringLengthBeyondFile", with_key(gguf_key("k", 8, raw<std::uint64_t>(100000))),
       "claims 100000 bytes but only"},
      {"ArrayOfArrays", with_key(gguf_key("k", 9, gguf_array(9, 1, gguf_array(4, 1, raw(1u))))),
       "array of arrays"},
      {"ArrayOfUnknown", with_key(gguf_key("k", 9, gguf_array(77, 1, raw(1u)))),
       "array of the unknown type 77"},
      {"ArrayCount2To61", with_key(gguf_key("k", 9, gguf_array(10, 1ull << 61, ""))),
       "claims 2305843009213693952 items"},
      {"ArrayCountHuge", with_key(gguf_key("k", 9, gguf_array(0, kHuge, ""))), "claims 18446744073709551615"},
      {"ArrayCountWrapsToSmall", with_key(gguf_key("k", 9, gguf_array(4, (1ull << 62) + 1, raw(1u)))),
       "claims 4611686018427387905 items"},
      {"StringArrayCountHuge", with_key(gguf_key("k", 9, gguf_array(8, 1ull << 61, ""))),
       "claims 2305843009213693952 items"},
      {"AlignmentZero", with_key(gguf_key("general.alignment", 4, raw(0u))), "general.alignment is 0"},
      {"AlignmentThree", with_key(gguf_key("general.alignment", 4, raw(3u))), "general.alignment is 3"},
      {"Alignment2To31", with_key(gguf_key("general.alignment", 4, raw(1u << 31))),
       "general.alignment is 2147483648, more than the limit of 1048576"},
      {"Alignment2To21", with_key(gguf_key("general.alignment", 4, raw(1u << 21))),
       "general.alignment is 2097152, more than the limit of 1048576"},
      {"Alignment2To20", with_key(gguf_key("general.alignment", 4, raw(1u << 20))),
       "needs data up to byte 1048600"},
      {"AlignmentSigned", with_key(gguf_key("general.alignment", 5, raw(32))),
       "must be a u32 but is of type i32"},
      {"AlignmentText", with_key(gguf_key("general.alignment", 8, gguf_text("32"))),
       "must be a u32 but is of type string"},
      {"AlignmentArray", with_key(gguf_key("general.alignment", 9, gguf_array(4, 1, raw(32u)))),
       "must be a u32 but is of type array"},
      {"AlignmentOtherThanOffsets", with_key(gguf_key("general.alignment", 4, raw(64u))),
       "has offset 32 but the tensors before it end at 64"},
      {"NameOf64Bytes", with_second(gguf_tensor(std::string(64, 'n'), {4}, 24, 32)),
       "has 64 bytes, more than the limit of 63"},
      {"NameLengthHuge", with_second(raw<std::uint64_t>(1ull << 40) + std::string(40, 'x')),
       "has 1099511627776 bytes"},
      {"NameEmpty", with_second(gguf_tensor("", {4}, 24, 32)), "the name of tensor 1 is empty"},
      {"NameWithNul", with_second(gguf_tensor("a\0b"s, {4}, 24, 32)), "holds a NUL byte"},
      {"NameTwice", with_second(gguf_tensor("first", {4}, 24, 32)), "tensor 'first' appears twice"},
      {"FiveDimensions", with_second(gguf_tensor("t", {1, 1, 1, 1, 4}, 24, 32)),
       "has 5 dimensions, more than 4"},
      {"DimensionCountHuge", with_second(gguf_text("t") + raw(1u << 31) + std::string(40, '\0')),
       "has 2147483648 dimensions"},
      {"DimensionNegative", with_second(gguf_tensor("t", {kHuge}, 24, 32)), "negative dimension -1"},
      {"Dimension2To62", with_second(gguf_tensor("t", {1ull << 62}, 0, 32)), "overflows"},
      {"ProductOverflow", with_second(gguf_tensor("t", {1ull << 32, 1ull << 32}, 24, 32)), "overflows"},
      {"ProductOverflowBesideZero", with_second(gguf_tensor("t", {0, 1ull << 62, 1ull << 62}, 24, 32)),
       "overflows"},
      {"BytesOverflow", with_second(gguf_tensor("t", {1ull << 60}, 27, 32)), "overflows"},
      {"TensorsSumOverflow",
       [] {
         GgufParts parts = good_parts();
         parts.tensors = {gguf_tensor("a", {1ull << 62}, 24, 0),
                          gguf_tensor("b", {1ull << 62}, 24, 1ull << 62),
                          gguf_tensor("c", {1ull << 62}, 24, 1ull << 63)};
         return parts.file();
       }(),
       "but the file has"},
      {"TypeRemoved4", with_second(gguf_tensor("t", {4}, 4, 32)), "unknown or withdrawn type number 4"},
      {"TypeRemoved5", with_second(gguf_tensor("t", {4}, 5, 32)), "unknown or withdrawn type number 5"},
      {"TypeRemoved31", with_second(gguf_tensor("t", {32}, 31, 32)), "unknown or withdrawn type number 31"},
      {"Type255", with_second(gguf_tensor("t", {4}, 255, 32)), "unknown or withdrawn type number 255"},
      {"TypeNegative", with_second(gguf_tensor("t", {4}, 0xffffffffu, 32)), "type number 4294967295"},
      {"HalfABlock", with_second(gguf_tensor("t", {16}, 8, 32)),
       "rows of 16 elements are not whole blocks of 32 (Q8_0)"},
      {"OffsetTooLarge", with_second(gguf_tensor("t", {4}, 24, 64)),
       "tensor 't' has offset 64 but the tensors before it end at 32"},
      {"OffsetTooSmall", with_second(gguf_tensor("t", {4}, 24, 0)), "tensor 't' has offset 0"},
      {"OffsetUnaligned", with_second(gguf_tensor("t", {4}, 24, 24)), "tensor 't' has offset 24"},
      {"OffsetHuge", with_second(gguf_tensor("t", {4}, 24, kHuge - 31)), "has offset 18446744073709551584"},
      {"DataMissing", with_second(gguf_tensor("t", {5}, 24, 32)), "tensor 't' needs data up to byte"},
      {"ShardWithoutFirst", with_key(gguf_key("split.no", 2, raw<std::uint16_t>(1))),
       "split.no is 1 but split.count is 1"},
      {"SplitCountText", with_key(gguf_key("split.count", 8, gguf_text("2"))),
       "split.count is not a non-negative integer"},
      {"SplitCountHuge", with_key(gguf_key("split.count", 10, raw(kHuge))),
       "split.count is 18446744073709551615"},
  };
}

class BadGgufs : public testing::TestWithParam<BadGguf> {};

TEST_P(BadGgufs, AreRefusedWithTheirReason) {
  const ScratchFolder folder;
  const fs::path path = folder.add("bad.gguf", GetParam().bytes);
  expect_error(ErrorKind::input_invalid, GetParam().piece, [&] { GgufSource source(path); });
  expect_error(ErrorKind::input_invalid, "bad.gguf", [&] { GgufSource source(path); });
}

INSTANTIATE_TEST_SUITE_P(Each, BadGgufs, testing::ValuesIn(bad_ggufs()),
                         [](const auto& param) { return std::string(param.param.name); });

TEST(GgufReader, ReadsAGoodFile) {
  const ScratchFolder folder;
  const GgufSource source(folder.add("good.gguf", good_parts().file()));
  EXPECT_EQ(source.version(), 3u);
  EXPECT_EQ(source.alignment(), 32u);
  EXPECT_EQ(*source.metadata().find("general.architecture"), GgufValue("llama"));
  EXPECT_EQ(*source.metadata().find("list"), GgufValue(std::vector<std::string>{"a", ""}));
  ASSERT_EQ(source.tensors().size(), 2u);
  EXPECT_EQ(source.tensors()[0].shape, (Shape{2, 3}));
  EXPECT_EQ(source.tensors()[0].bytes, 24u);
  EXPECT_EQ(source.tensors()[1].dtype, DType::i8);
  std::array<std::byte, 4> bytes{};
  source.read(source.tensors()[1], 0, bytes);
  EXPECT_EQ(bytes, (std::array{std::byte{2}, std::byte{2}, std::byte{2}, std::byte{2}}));
  EXPECT_TRUE(source.warnings().empty());
}

TEST(GgufReader, ReadsVersion2) {
  GgufParts parts = good_parts();
  parts.version = 2;
  const ScratchFolder folder;
  EXPECT_EQ(GgufSource(folder.add("v2.gguf", parts.file())).version(), 2u);
}

TEST(GgufReader, EveryTruncatedPrefixIsRefused) {
  const std::string whole = good_parts().file();
  const ScratchFolder folder;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    SCOPED_TRACE(size);
    const fs::path path = folder.add("cut.gguf", whole.substr(0, size));
    expect_error(ErrorKind::input_invalid, "cut.gguf", [&] { GgufSource source(path); });
  }
}

TEST(GgufReader, BytesAfterTheDataAreAWarning) {
  GgufParts parts = good_parts();
  parts.data.resize(64);  // the last tensor's padding: complete
  const ScratchFolder folder;
  EXPECT_TRUE(GgufSource(folder.add("padded.gguf", parts.file())).warnings().empty());
  parts.data += "PK";
  const GgufSource source(folder.add("appended.gguf", parts.file()));
  ASSERT_EQ(source.warnings().size(), 1u);
  EXPECT_NE(source.warnings()[0].find("2 bytes follow the last tensor"), std::string::npos);
}

TEST(GgufReader, KeepsEveryValueTypeExactly) {
  GgufParts parts;
  parts.keys = {
      gguf_key("u8", 0, raw<std::uint8_t>(200)),
      gguf_key("i8", 1, raw<std::int8_t>(-3)),
      gguf_key("u16", 2, raw<std::uint16_t>(60000)),
      gguf_key("i16", 3, raw<std::int16_t>(-300)),
      gguf_key("u32", 4, raw<std::uint32_t>(4000000000u)),
      gguf_key("i32", 5, raw<std::int32_t>(-70000)),
      gguf_key("f32", 6, raw(1.5f)),
      gguf_key("bool", 7, raw<std::uint8_t>(1)),
      gguf_key("u64", 10, raw(kHuge)),
      gguf_key("i64", 11, raw(std::numeric_limits<std::int64_t>::min())),
      gguf_key("f64", 12, raw(-0.1)),
      gguf_key("flags", 9, gguf_array(7, 3, "\x01\x00\x02"s)),
      gguf_key("none", 9, gguf_array(6, 0, "")),
      gguf_key("doubles", 9, gguf_array(12, 1, raw(2.5))),
  };
  const ScratchFolder folder;
  const GgufSource source(folder.add("values.gguf", parts.file()));
  const auto& kv = source.metadata();
  EXPECT_EQ(*kv.find("u8"), GgufValue(std::uint8_t{200}));
  EXPECT_EQ(*kv.find("i8"), GgufValue(std::int8_t{-3}));
  EXPECT_EQ(*kv.find("u16"), GgufValue(std::uint16_t{60000}));
  EXPECT_EQ(*kv.find("i16"), GgufValue(std::int16_t{-300}));
  EXPECT_EQ(*kv.find("u32"), GgufValue(4000000000u));
  EXPECT_EQ(*kv.find("i32"), GgufValue(-70000));
  EXPECT_EQ(*kv.find("f32"), GgufValue(1.5f));
  EXPECT_EQ(*kv.find("bool"), GgufValue(true));
  EXPECT_EQ(*kv.find("u64"), GgufValue(kHuge));
  EXPECT_EQ(*kv.find("i64"), GgufValue(std::numeric_limits<std::int64_t>::min()));
  EXPECT_EQ(*kv.find("f64"), GgufValue(-0.1));
  EXPECT_EQ(*kv.find("flags"), GgufValue::bool_array({true, false, true}));
  EXPECT_EQ(*kv.find("none"), GgufValue(std::vector<float>{}));
  EXPECT_EQ(kv.find("doubles")->as_array()->type, GgufType::f64);
  EXPECT_EQ(kv.entries()[10].key, "f64");
}

TEST(GgufReader, AZeroDimensionIsATensorWithoutBytes) {
  GgufParts parts = good_parts();
  parts.tensors[1] = gguf_tensor("second", {4, 0}, 0, 32);
  const ScratchFolder folder;
  const GgufSource source(folder.add("zero.gguf", parts.file()));
  EXPECT_EQ(source.tensors()[1].bytes, 0u);
  EXPECT_EQ(source.tensors()[1].shape, (Shape{0, 4}));
}

TEST(GgufReader, NoDimensionsIsAScalar) {
  GgufParts parts = good_parts();
  parts.tensors[1] = gguf_tensor("second", {}, 0, 32);
  const ScratchFolder folder;
  const GgufSource source(folder.add("scalar.gguf", parts.file()));
  EXPECT_EQ(source.tensors()[1].bytes, 4u);
  EXPECT_EQ(source.tensors()[1].shape.rank(), 0u);
}

TEST(GgufReader, AMetadataBombInASparseFileIsRefusedByItsMemory) {
  // 2^27 empty strings take no real disk space, but 4 GiB of memory.
  GgufParts parts;
  parts.keys = {gguf_key("bomb", 9, gguf_array(8, 1ull << 27, ""))};
  const ScratchFolder folder;
  const fs::path path = folder.add("bomb.gguf", parts.file());
  fs::resize_file(path, 2'000'000'000);
  expect_error(ErrorKind::input_invalid, "metadata needs more than the limit of 537 MB",
               [&] { GgufSource source(path); });
}

TEST(GgufReader, ReadsTheVocabularyFilesOfLlamaCpp) {
  const fs::path vocabularies = fs::path(QTZ_SHARED_DIR) / "data/ggml-vocab";
  if (!fs::exists(vocabularies)) GTEST_SKIP() << "no " << vocabularies;
  std::size_t files = 0;
  for (const auto& file : fs::directory_iterator(vocabularies)) {
    if (file.path().extension() != ".gguf") continue;
    const GgufSource source(file.path());
    EXPECT_EQ(source.tensors().size(), 0u) << file.path();
    EXPECT_TRUE(source.warnings().empty()) << source.warnings()[0];
    EXPECT_NE(source.metadata().find("tokenizer.ggml.tokens"), nullptr);
    ++files;
  }
  EXPECT_EQ(files, 12u);
  const GgufSource llama(vocabularies / "ggml-vocab-llama-spm.gguf");
  EXPECT_EQ(llama.metadata().entries().size(), 22u);
  const auto& tokens = std::get<std::vector<std::string>>(
      llama.metadata().find("tokenizer.ggml.tokens")->as_array()->elements);
  ASSERT_EQ(tokens.size(), 32000u);
  EXPECT_EQ(tokens[3], "<0x00>");
  EXPECT_EQ(*llama.metadata().find("tokenizer.ggml.add_bos_token"), GgufValue(true));
  EXPECT_EQ(*llama.metadata().find("llama.attention.layer_norm_rms_epsilon"), GgufValue(1e-5f));
}

TEST(GgufReader, ReadsARealModel) {
  const fs::path path = fs::path(QTZ_SHARED_DIR) / "data/fixtures/llama-2-tiny-random.gguf";
  if (!fs::exists(path)) GTEST_SKIP() << "no " << path;
  const GgufSource source(path);
  EXPECT_EQ(source.metadata().entries().size(), 18u);
  ASSERT_EQ(source.tensors().size(), 12u);
  const TensorInfo* embeddings = source.find("token_embd.weight");
  ASSERT_NE(embeddings, nullptr);
  EXPECT_EQ(embeddings->shape, (Shape{32000, 8}));
  EXPECT_EQ(embeddings->dtype, DType::f16);
  EXPECT_EQ(embeddings->offset, 724416u);
  EXPECT_EQ(embeddings->bytes, 512000u);
  EXPECT_EQ(source.find("blk.0.attn_k.weight")->offset, 1236544u);
}

}  // namespace
}  // namespace qtz
