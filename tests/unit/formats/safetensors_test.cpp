#include "qtz/formats/safetensors.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <array>

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

struct BadHeader {
  const char* name;
  std::string bytes;
  const char* piece;

  friend void PrintTo(const BadHeader& bad, std::ostream* out) { *out << bad.name; }
};

std::string one(const std::string& tensor_object, std::size_t data_bytes = 4) {
  return safetensors_file("{\"a\":" + tensor_object + "}", data_bytes);
}

std::string shaped(const std::string& shape) {
  return one("{\"dtype\":\"U8\",\"shape\":" + shape + ",\"data_offsets\":[0,4]}");
}

std::string offset(const std::string& offsets) {
  return one("{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" + offsets + "}");
}

std::vector<BadHeader> bad_headers() {
  const std::string good = entry("a", "U8", "[4]", 0, 4);
  const std::string length_of_2_64 = std::string(8, '\xff') + "{}";
  return {
      {"EmptyFile", "", "is empty"},
      {"OneByte", "x", "too short (1 bytes)"},
      {"SevenBytes", "1234567", "too short (7 bytes)"},
      {"LengthZero", test::little_endian_u64(0), "does not start with '{'"},
      {"OnlyABrace", safetensors_file("{", 0), "not valid JSON"},
      {"LengthOf2To64", length_of_2_64, "18446744073709551615 bytes is larger than the format's limit"},
      {"LengthOf2To63", test::little_endian_u64(1ull << 63) + "{}", "larger than the format's limit"},
      {"LengthOneTooMany", test::little_endian_u64(3) + "{}",
       "header of 3 bytes does not fit in the file of 10 bytes"},
      {"NotJson", safetensors_file("{nonsense}", 0), "not valid JSON"},
      {"ArrayAtTop", safetensors_file("[]", 0), "does not start with '{'"},
      {"NumberAtTop", safetensors_file("3", 0), "does not start with '{'"},
      {"LeadingSpace", safetensors_file(" {}", 0), "does not start with '{'"},
      {"ByteOrderMark", safetensors_file("\xEF\xBB\xBF{}", 0), "does not start with '{'"},
      {"TrailingNul", safetensors_file("{}\0\0"s, 0), "not valid JSON"},
      {"GarbageBehindNul", safetensors_file("{}\0{\"evil\":1}"s, 0), "not valid JSON"},
      {"TrailingGarbage", safetensors_file("{}x", 0), "not valid JSON"},
      {"TwoObjects", safetensors_file("{}{}", 0), "not valid JSON"},
      {"TruncatedJson", safetensors_file("{\"a\":{\"dtype\":\"U8\"", 0), "not valid JSON"},
      {"DeepObjects", safetensors_file("{\"a\":{\"dtype\":{}}}", 0), "has an object in its 'dtype'"},
      {"SameNameTwice", safetensors_file("{" + good + "," + entry("a", "U8", "[2]", 4, 6) + "}", 6),
       "tensor 'a' appears twice"},
      {"SameNameSameRange",
       safetensors_file("{" + entry("a", "U8", "[0]", 0, 0) + "," + entry("a", "U8", "[0]", 0, 0) + "}", 0),
       "tensor 'a' appears twice"},
      {"TwoMetadata", safetensors_file("{\"__metadata__\":{},\"__metadata__\":{}}", 0),
       "__metadata__ appears twice"},
      {"TwoNullMetadata", safetensors_file("{\"__metadata__\":null,\"__metadata__\":null}", 0),
       "__metadata__ appears twice"},
      {"MetadataKeyTwice", safetensors_file("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0),
       "has the key 'k' twice"},
      {"MetadataNumber", safetensors_file("{\"__metadata__\":{\"k\":1}}", 0), "value of 'k' is not a string"},
      {"MetadataObject", safetensors_file("{\"__metadata__\":{\"k\":{}}}", 0),
       "value of 'k' is not a string"},
      {"MetadataString", safetensors_file("{\"__metadata__\":\"x\"}", 0),
       "entry '__metadata__' is not an object"},
      {"InvalidUtf8", safetensors_file("{" + entry("\xff", "U8", "[4]", 0, 4) + "}", 4), "not valid JSON"},
      {"OverlongUtf8", safetensors_file("{" + entry("\xC0\xAF", "U8", "[4]", 0, 4) + "}", 4),
       "not valid JSON"},
      {"LoneSurrogate", safetensors_file("{" + entry("\\ud800", "U8", "[4]", 0, 4) + "}", 4),
       "not valid JSON"},
      {"RawNewlineInName", safetensors_file("{" + entry("a\nb", "U8", "[4]", 0, 4) + "}", 4),
       "not valid JSON"},
      {"EmptyName", safetensors_file("{" + entry("", "U8", "[4]", 0, 4) + "}", 4), "empty name"},
      {"EscapeInNameIsPrintedHarmlessly",
       safetensors_file("{" + entry("\\u001b[31m", "U7", "[4]", 0, 4) + "}", 4), "\\x1b[31m"},
      {"TensorIsANumber", one("3"), "entry 'a' is not an object"},
      {"TensorIsAnArray", one("[]"), "entry 'a' is not an object"},
      {"TensorIsNull", one("null"), "entry 'a' is not an object"},
      {"NegativeDimension", shaped("[-4]"), "tensor 'a' has -4 in its 'shape'"},
      {"DimensionWithFraction", shaped("[4.0]"), "not an integer"},
      {"DimensionWithExponent", shaped("[4e0]"), "not an integer"},
      {"DimensionAsText", shaped("[\"4\"]"), "has a string in its 'shape'"},
      {"DimensionNull", shaped("[null]"), "has null in its 'shape'"},
      {"DimensionTrue", shaped("[true]"), "has a boolean in its 'shape'"},
      {"DimensionNested", shaped("[[4]]"), "has an array in its 'shape'"},
      {"ShapeIsANumber", shaped("4"), "has 4 in its 'shape'"},
      {"Dimension2To64", shaped("[18446744073709551616]"), "not an integer below 2^64"},
      {"Dimension10To30", shaped("[1000000000000000000000000000000]"), "not an integer below 2^64"},
      {"Dimension2To63", shaped("[9223372036854775808]"), "overflows"},
      {"ProductOverflow", shaped("[4294967296,4294967296,1]"), "overflows"},
      {"ProductOverflowBesideZero", shaped("[0,4294967296,4294967296]"), "overflows"},
      {"BytesOverflow", one("{\"dtype\":\"F64\",\"shape\":[2305843009213693952],\"data_offsets\":[0,4]}"),
       "overflows"},
      {"TooManyDimensions",
       shaped("[1" +
              [] {
                std::string s;
                for (int i = 0; i < 64; ++i) s += ",1";
                return s;
              }() +
              "]"),
       "more than 64 dimensions"},
      {"OffsetsReversed", offset("[4,0]"), "end (0) before they begin (4)"},
      {"OffsetsBeyondFile", one("{\"dtype\":\"U8\",\"shape\":[400],\"data_offsets\":[0,400]}"),
       "tensors need 400 bytes of data but the file has 4"},
      {"OffsetsNegative", offset("[-1,3]"), "tensor 'a' has -1 in its 'data_offsets'"},
      {"ThreeOffsets", offset("[0,4,4]"), "more than two data_offsets"},
      {"OneOffset", offset("[0]"), "has 1 data_offsets, not two"},
      {"NoOffsets", offset("[]"), "has 0 data_offsets, not two"},
      {"OffsetsANumber", offset("0"), "has 0 in its 'data_offsets'"},
      {"OffsetsAnObject", offset("{}"), "has an object in its 'data_offsets'"},
      {"HoleAtTheStart", safetensors_file("{" + entry("a", "U8", "[4]", 1, 5) + "}", 5), "(a hole)"},
      {"HoleBetween", safetensors_file("{" + good + "," + entry("b", "U8", "[4]", 5, 9) + "}", 9),
       "tensor 'b' begins at byte 5 of the data but the tensor before it ends at 4 (a hole)"},
      {"Overlap", safetensors_file("{" + good + "," + entry("b", "U8", "[4]", 3, 7) + "}", 7),
       "(an overlap)"},
      {"SameRangeTwice", safetensors_file("{" + good + "," + entry("b", "U8", "[4]", 0, 4) + "}", 4),
       "(an overlap)"},
      {"TrailingBytes", safetensors_file("{" + good + "}", 7), "3 bytes follow the last tensor"},
      {"BytesWithoutTensors", safetensors_file("{}", 1), "1 bytes follow the last tensor"},
      {"MissingData", safetensors_file("{" + good + "}", 3), "the file has 3"},
      {"SizeTooSmallForShape", one("{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}"),
       "has 4 bytes of data but F32 [2] needs 8"},
      {"SizeTooLargeForShape", one("{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,4]}"),
       "has 4 bytes of data but U8 [2] needs 2"},
      {"HalfAByte", one("{\"dtype\":\"F4\",\"shape\":[1,3],\"data_offsets\":[0,4]}"),
       "rows of 3 elements are not whole blocks of 2 (F4)"},
      {"UnknownDtype", one("{\"dtype\":\"F7\",\"shape\":[4],\"data_offsets\":[0,4]}"), "unknown dtype 'F7'"},
      {"LowerCaseDtype", one("{\"dtype\":\"u8\",\"shape\":[4],\"data_offsets\":[0,4]}"),
       "unknown dtype 'u8'"},
      {"DtypeANumber", one("{\"dtype\":8,\"shape\":[4],\"data_offsets\":[0,4]}"), "has 8 in its 'dtype'"},
      {"DtypeTwice", one("{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}"),
       "key 'dtype' twice"},
      {"BlockTypeIsNotSafetensors", one("{\"dtype\":\"Q8_0\",\"shape\":[4],\"data_offsets\":[0,4]}"),
       "unknown dtype 'Q8_0'"},
      {"NoDtype", one("{\"shape\":[4],\"data_offsets\":[0,4]}"), "tensor 'a' has no dtype"},
      {"NoShape", one("{\"dtype\":\"U8\",\"data_offsets\":[0,4]}"), "tensor 'a' has no shape"},
      {"NoDataOffsets", one("{\"dtype\":\"U8\",\"shape\":[4]}"), "tensor 'a' has no data_offsets"},
      {"ExtraKey", one("{\"dtype\":\"U8\",\"shape\":[4],\"offset\":1,\"data_offsets\":[0,4]}"),
       "unknown key 'offset'"},
      {"LfsPointer", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
       "Git LFS pointer"},
      {"HtmlPage", "<!DOCTYPE html>\n<html><body>404</body></html>", "HTML or XML page"},
      {"HtmlPageBehindBlanks", "\n\n  <html><body>login</body></html>", "HTML or XML page"},
      {"Gzip", "\x1f\x8b\x08\x00\x01\x02\x03\x04\x00\x03garbage"s, "compressed (gzip)"},
      {"TorchZip", "PK\x03\x04\x00\x00\x08\x08\x00\x00archive/data.pkl"s, "qtz does not read pickle files"},
      {"TorchPickle",
       "\x80\x02\x8a\x0al\xfc\x9c"s
       "F\xf9 j\xa8P\x19."s,
       "is a pickle file"},
      {"Gguf", "GGUF\x03\x00\x00\x00\x01\x00\x00\x00"s, "is a GGUF file"},
      {"JsonErrorPage", "{\"error\":\"Repository not found\"}", "is a JSON text"},
  };
}

class BadSafetensors : public testing::TestWithParam<BadHeader> {};

TEST_P(BadSafetensors, IsRefusedWithItsReason) {
  const ScratchFolder folder;
  const fs::path path = folder.add("bad.safetensors", GetParam().bytes);
  expect_error(ErrorKind::input_invalid, GetParam().piece, [&] { SafetensorsSource source(path); });
  expect_error(ErrorKind::input_invalid, "bad.safetensors", [&] { SafetensorsSource source(path); });
}

INSTANTIATE_TEST_SUITE_P(Each, BadSafetensors, testing::ValuesIn(bad_headers()),
                         [](const auto& param) { return std::string(param.param.name); });

TEST(SafetensorsHeader, WithNullMetadataIsReadAsWithoutAny) {
  const ScratchFolder folder;
  const fs::path path = folder.add("m.safetensors", safetensors_file("{\"__metadata__\":null}", 0));
  EXPECT_TRUE(SafetensorsSource(path).metadata().empty());
}

TEST(SafetensorsHeader, IsRefusedAbove100MBWithoutReadingIt) {
  const ScratchFolder folder;
  const fs::path path = folder.add("big.safetensors", test::little_endian_u64(100'000'001) + "{}");
  fs::resize_file(path, 200'000'000);  // sparse
  expect_error(ErrorKind::input_invalid, "larger than the format's limit",
               [&] { SafetensorsSource source(path); });
}

TEST(SafetensorsHeader, NestedHundredThousandDeepIsRefusedWithoutOverflowingTheStack) {
  const ScratchFolder folder;
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "{\"a\":";
  const fs::path path = folder.add("deep.safetensors", safetensors_file(deep, 0));
  expect_error(ErrorKind::input_invalid, "unknown key 'a'", [&] { SafetensorsSource source(path); });
  std::string arrays = "{\"a\":{\"shape\":" + std::string(100'000, '[');
  const fs::path other = folder.add("arrays.safetensors", safetensors_file(arrays, 0));
  expect_error(ErrorKind::input_invalid, "in its 'shape'", [&] { SafetensorsSource source(other); });
}

TEST(SafetensorsHeader, EveryTruncatedPrefixIsRefused) {
  const ScratchFolder folder;
  const std::string whole =
      safetensors_file("{\"__metadata__\":{\"format\":\"pt\"}," + entry("a", "F32", "[2,2]", 0, 16) + "," +
                           entry("b", "BF16", "[3]", 16, 22) + "}  ",
                       22);
  EXPECT_EQ(SafetensorsSource(folder.add("whole.safetensors", whole)).tensors().size(), 2u);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const fs::path path = folder.add("cut.safetensors", whole.substr(0, size));
    SCOPED_TRACE(size);
    expect_error(ErrorKind::input_invalid, "cut.safetensors", [&] { SafetensorsSource source(path); });
  }
}

TEST(SafetensorsHeader, TensorsComeInFileOrderWhateverTheHeadersOrder) {
  const ScratchFolder folder;
  const fs::path path =
      folder.add("m.safetensors", safetensors_file("{" + entry("late", "F32", "[2,1]", 8, 16) +
                                                       ",\"__metadata__\":{\"format\":\"pt\",\"x\":\"\"}," +
                                                       entry("early", "I64", "[]", 0, 8) + "," +
                                                       entry("none", "F16", "[3,0,2]", 8, 8) + "}     ",
                                                   16));
  const SafetensorsSource source(path);
  ASSERT_EQ(source.tensors().size(), 3u);
  EXPECT_EQ(source.tensors()[0].name, "early");
  EXPECT_EQ(source.tensors()[1].name, "none");
  EXPECT_EQ(source.tensors()[2].name, "late");
  EXPECT_EQ(source.tensors()[0].shape, Shape());
  EXPECT_EQ(source.tensors()[0].dtype, DType::i64);
  EXPECT_EQ(source.tensors()[1].bytes, 0u);
  EXPECT_EQ(source.tensors()[1].shape, (Shape{3, 0, 2}));
  EXPECT_EQ(source.metadata(),
            (std::vector<std::pair<std::string, std::string>>{{"format", "pt"}, {"x", ""}}));
  EXPECT_TRUE(source.warnings().empty());

  const TensorInfo* late = source.find("late");
  ASSERT_NE(late, nullptr);
  std::array<std::byte, 4> bytes{};
  source.read(*late, 4, bytes);
  EXPECT_EQ(bytes, (std::array{std::byte{12}, std::byte{13}, std::byte{14}, std::byte{15}}));
  EXPECT_EQ(source.find("lat"), nullptr);
  EXPECT_EQ(source.find(""), nullptr);
}

TEST(SafetensorsHeader, EveryDtypeOfTheFormatIsKnownWithItsSize) {
  const std::vector<std::pair<const char*, std::uint64_t>> bytes_of_eight = {
      {"BOOL", 8}, {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
      {"I8", 8},   {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"I16", 16},
      {"U16", 16}, {"F16", 16},    {"BF16", 16},   {"I32", 32},    {"U32", 32},
      {"F32", 32}, {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64}};
  const ScratchFolder folder;
  for (const auto& [dtype, bytes] : bytes_of_eight) {
    const fs::path path =
        folder.add("t.safetensors", safetensors_file("{" + entry("t", dtype, "[8]", 0, bytes) + "}", bytes));
    const SafetensorsSource source(path);
    EXPECT_EQ(name_of(source.tensors()[0].dtype), dtype);
    EXPECT_EQ(source.tensors()[0].bytes, bytes);
  }
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kManyTensors =
    20'000;  // an unoptimized, instrumented JSON parser takes a minute for all of them
#else
constexpr int kManyTensors = 500'000;
#endif

TEST(SafetensorsHeader, HalfAMillionEmptyTensorsAreRead) {
  const ScratchFolder folder;
  std::string header = "{";
  for (int i = 0; i < kManyTensors; ++i) {
    header += (i > 0 ? "," : "") + entry("t" + std::to_string(i), "F32", "[0]", 0, 0);
  }
  const fs::path path = folder.add("many.safetensors", safetensors_file(header + "}", 0));
  const SafetensorsSource source(path);
  EXPECT_EQ(source.tensors().size(), static_cast<std::size_t>(kManyTensors));
  EXPECT_NE(source.find("t" + std::to_string(kManyTensors - 1)), nullptr);
}

TEST(SafetensorsFile, ThatShrinksAfterOpeningIsAnErrorThatNamesTheTensor) {
  const ScratchFolder folder;
  const fs::path path =
      folder.add("m.safetensors", safetensors_file("{" + entry("weights", "U8", "[4]", 0, 4) + "}", 4));
  const SafetensorsSource source(path);
  fs::resize_file(path, fs::file_size(path) - 2);
  std::array<std::byte, 4> bytes{};
  expect_error(ErrorKind::input_invalid, "tensor 'weights'",
               [&] { source.read(source.tensors()[0], 0, bytes); });
}

TEST(SafetensorsFile, OfRealModelsIsRead) {
  const fs::path models = fs::path(QTZ_SHARED_DIR) / "data/models";
  if (!fs::exists(models)) GTEST_SKIP() << "no " << models;
  const SafetensorsSource demo(models / "demo");
  EXPECT_EQ(demo.tensors().size(), 29u);
  const TensorInfo* embeddings = demo.find("model.embed_tokens.weight");
  ASSERT_NE(embeddings, nullptr);
  EXPECT_EQ(embeddings->shape, (Shape{2048, 256}));
  EXPECT_EQ(embeddings->dtype, DType::bf16);
  EXPECT_EQ(embeddings->offset, 3128u);
  EXPECT_EQ(demo.metadata(), (std::vector<std::pair<std::string, std::string>>{{"format", "pt"}}));
  EXPECT_EQ(SafetensorsSource(models / "quality/model.safetensors").tensors().size(), 29u);
  EXPECT_EQ(SafetensorsSource(models / "learning-lm-story").tensors().size(), 20u);
  EXPECT_EQ(SafetensorsSource(models / "stories260K-hf").tensors().size(), 47u);
  const SafetensorsSource adapter(models / "../fixtures/discollama-adapter.safetensors");
  const TensorInfo* lora = adapter.find("model.layers.30.self_attn.q_proj.lora_a");
  ASSERT_NE(lora, nullptr);
  EXPECT_EQ(lora->offset, 295784u);
  EXPECT_EQ(lora->bytes, 4096u * 8 * 4);
}

}  // namespace
}  // namespace qtz
