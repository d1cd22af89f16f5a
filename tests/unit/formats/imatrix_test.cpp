#include "qtz/formats/imatrix.h"

#include <gtest/gtest.h>

#include <limits>

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

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::string floats(std::initializer_list<float> values) {
  std::string bytes;
  for (const float value : values) bytes += raw(value);
  return bytes;
}

/// Two experts of three columns; the second was never reached.
struct GgufImatrix {
  std::vector<std::string> keys = {
      gguf_key("general.type", 8, gguf_text("imatrix")),
      gguf_key("imatrix.datasets", 9,
               gguf_array(8, 2, gguf_text("/home/me/text.txt") + gguf_text("C:\\data\\b.txt"))),
      gguf_key("imatrix.chunk_count", 4, raw(7u)),
      gguf_key("imatrix.chunk_size", 4, raw(512u)),
  };
  std::string sums_record = gguf_tensor("blk.0.ffn_up_exps.weight.in_sum2", {3, 2}, 0, 0);
  std::string counts_record = gguf_tensor("blk.0.ffn_up_exps.weight.counts", {1, 2}, 0, 32);
  std::string sums = floats({3.0f, 1.0f, 0.5f, 9.0f, 9.0f, 9.0f});
  std::string counts = floats({3.0f, 0.0f});

  std::string file() const {
    GgufParts parts;
    parts.keys = keys;
    parts.tensors = {sums_record, counts_record};
    parts.data = sums;
    parts.data.resize(32);
    parts.data += counts;
    return parts.file();
  }
};

std::string legacy_entry(const std::string& name, std::int32_t calls, const std::string& values) {
  return raw(static_cast<std::int32_t>(name.size())) + name + raw(calls) +
         raw(static_cast<std::int32_t>(values.size() / 4)) + values;
}

std::string legacy_tail(std::int32_t chunks, const std::string& dataset) {
  return raw(chunks) + raw(static_cast<std::int32_t>(dataset.size())) + dataset;
}

TEST(ImportanceMatrix, OfAGgufDividesSumsByCountsPerExpert) {
  const ScratchFolder folder;
  const ImportanceMatrix matrix(folder.add("i.gguf", GgufImatrix().file()));
  EXPECT_EQ(matrix.names(), (std::vector<std::string>{"blk.0.ffn_up_exps.weight"}));
  const auto values = matrix.find("blk.0.ffn_up_exps.weight");
  EXPECT_EQ(std::vector<float>(values.begin(), values.end()),
            (std::vector<float>{3.0f / 3.0f, 1.0f / 3.0f, 0.5f / 3.0f, 1.0f, 1.0f, 1.0f}));
  EXPECT_TRUE(matrix.find("blk.0.ffn_up").empty());
  EXPECT_EQ(matrix.datasets(), (std::vector<std::string>{"text.txt", "b.txt"}));
  EXPECT_EQ(matrix.chunks(), 7u);
  ASSERT_EQ(matrix.warnings().size(), 1u);
  EXPECT_NE(matrix.warnings()[0].find("1 experts in 1 entries have no data"), std::string::npos);
}

TEST(ImportanceMatrix, CountsAreRoundedToWholeNumbers) {
  GgufImatrix matrix;
  matrix.counts = floats({1.5f, 0.4f});  // 2 and 0
  const ScratchFolder folder;
  const ImportanceMatrix read(folder.add("i.gguf", matrix.file()));
  EXPECT_EQ(read.find("blk.0.ffn_up_exps.weight")[0], 1.5f);
  EXPECT_EQ(read.find("blk.0.ffn_up_exps.weight")[3], 1.0f);
}

TEST(ImportanceMatrix, WithoutAnyImportanceIsUniformAndSaysSo) {
  GgufImatrix matrix;
  matrix.sums = floats({0.0f, 0.0f, 1e-21f, 0.0f, 0.0f, 1e-15f});
  matrix.counts = floats({1.0f, 1.0f});
  const ScratchFolder folder;
  const ImportanceMatrix read(folder.add("i.gguf", matrix.file()));
  const auto values = read.find("blk.0.ffn_up_exps.weight");
  EXPECT_EQ(std::vector<float>(values.begin(), values.end()),
            (std::vector<float>{1.0f, 1.0f, 1.0f, 0.0f, 0.0f, 1e-15f}));
  ASSERT_EQ(read.warnings().size(), 1u);
  EXPECT_NE(read.warnings()[0].find("1 experts in 1 entries have no data"), std::string::npos);

  const ImportanceMatrix legacy(folder.add("i.dat", raw(1) + legacy_entry("b", 4, floats({0.0f, 0.0f}))));
  EXPECT_EQ(legacy.find("b")[1], 1.0f);
  ASSERT_EQ(legacy.warnings().size(), 1u);
  EXPECT_NE(legacy.warnings()[0].find("1 entries have no data"), std::string::npos);
}

TEST(ImportanceMatrix, OfALegacyFileDividesByCalls) {
  const ScratchFolder folder;
  const std::string file = raw(2) + legacy_entry("b", 4, floats({2.0f, 1.0f})) +
                           legacy_entry("a", 0, floats({5.0f})) + legacy_tail(11, "some/folder/words.txt");
  const ImportanceMatrix matrix(folder.add("i.dat", file));
  EXPECT_EQ(matrix.names(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(matrix.find("b")[0], 0.5f);
  EXPECT_EQ(matrix.find("b")[1], 0.25f);
  EXPECT_EQ(matrix.find("a")[0], 5.0f) << "without calls values stay as they are";
  EXPECT_EQ(matrix.datasets(), (std::vector<std::string>{"words.txt"}));
  EXPECT_EQ(matrix.chunks(), 11u);
}

TEST(ImportanceMatrix, OfTheOldestLegacyFilesEndsAfterTheEntries) {
  const ScratchFolder folder;
  const ImportanceMatrix matrix(folder.add("i.dat", raw(1) + legacy_entry("b", 1, floats({2.0f}))));
  EXPECT_EQ(matrix.size(), 1u);
  EXPECT_EQ(matrix.chunks(), 0u);
  EXPECT_TRUE(matrix.datasets().empty());
}

struct BadImatrix {
  const char* name;
  std::string bytes;
  const char* piece;

  friend void PrintTo(const BadImatrix& bad, std::ostream* out) { *out << bad.name; }
};

std::string gguf_with(const std::function<void(GgufImatrix&)>& change) {
  GgufImatrix matrix;
  change(matrix);
  return matrix.file();
}

std::vector<BadImatrix> bad_matrices() {
  const std::string good_entry = legacy_entry("a", 1, floats({1.0f}));
  return {
      {"Empty", "", "is empty"},
      {"ThreeBytes", "abc", "the number of entries at byte 0 needs 4 bytes"},
      {"NoEntries", raw(0), "the number of entries is 0"},
      {"NegativeEntries", raw(-1), "the number of entries is -1"},
      {"HugeEntries", raw(std::numeric_limits<std::int32_t>::max()),
       "the list of entries at byte 4 claims 2147483647 items"},
      {"NegativeNameLength", raw(1) + raw(-1) + std::string(40, 'x'),
       "the length of the name of entry 1 is -1"},
      {"ZeroNameLength", raw(1) + raw(0) + std::string(40, 'x'), "the length of the name of entry 1 is 0"},
      {"HugeNameLength", raw(1) + raw(1 << 30) + std::string(40, 'x'),
       "the length of the name of entry 1 is 1073741824"},
      {"NameBeyondFile", raw(1) + raw(100) + std::string(40, 'x'), "claims 100 bytes but only 40"},
      {"NameWithNul", raw(1) + legacy_entry("a\0b"s, 1, floats({1.0f})), "holds a NUL byte"},
      {"NegativeCalls", raw(1) + legacy_entry("a", -1, floats({1.0f})),
       "the number of calls of entry 'a' is -1"},
      {"NoValues", raw(1) + legacy_entry("a", 1, "") + std::string(8, '\0'),
       "the number of values of entry 'a' is 0"},
      {"NegativeValues", raw(1) + raw(1) + "a" + raw(1) + raw(-1) + std::string(8, '\0'),
       "the number of values of entry 'a' is -1"},
      {"HugeValues", raw(1) + raw(1) + "a" + raw(1) + raw(2147483647) + std::string(8, '\0'),
       "claims 2147483647 items"},
      {"NotANumber", raw(1) + legacy_entry("a", 1, floats({1.0f, kNan})),
       "entry 'a' has a non-finite value at position 1"},
      {"Infinite", raw(1) + legacy_entry("a", 1, floats({kInfinity})),
       "entry 'a' has a non-finite value at position 0"},
      {"Negative", raw(1) + legacy_entry("a", 1, floats({-1.0f})), "entry 'a' has a negative value"},
      {"SameNameTwice", raw(2) + good_entry + good_entry, "entry 'a' appears twice"},
      {"NegativeChunks", raw(1) + good_entry + legacy_tail(-1, "x"), "the number of chunks is -1"},
      {"OnlyChunks", raw(1) + good_entry + raw(5), "the length of the name of the data set at byte"},
      {"NegativeDatasetLength", raw(1) + good_entry + raw(5) + raw(-1),
       "the length of the name of the data set is -1"},
      {"DatasetBeyondFile", raw(1) + good_entry + raw(5) + raw(10) + "abc", "claims 10 bytes"},
      {"BytesAtTheEnd", raw(1) + good_entry + legacy_tail(5, "x") + "y", "1 bytes follow the end"},
      {"LfsPointer", "version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"},
      {"HtmlPage", "<!DOCTYPE html><html></html>", "HTML"},
      {"GgufWithoutKeys", gguf_with([](GgufImatrix& m) { m.keys.resize(1); }),
       "is a GGUF without imatrix.datasets (its general.type is 'imatrix')"},
      {"ModelInsteadOfMatrix",
       gguf_with([](GgufImatrix& m) { m.keys = {gguf_key("general.type", 8, gguf_text("model"))}; }),
       "(its general.type is 'model')"},
      {"GgufWithoutChunkSize", gguf_with([](GgufImatrix& m) { m.keys.pop_back(); }),
       "without imatrix.chunk_size"},
      {"DatasetsNotTexts",
       gguf_with([](GgufImatrix& m) { m.keys[1] = gguf_key("imatrix.datasets", 8, gguf_text("x")); }),
       "imatrix.datasets is not an array of strings"},
      {"ChunkCountNotU32",
       gguf_with([](GgufImatrix& m) { m.keys[2] = gguf_key("imatrix.chunk_count", 5, raw(7)); }),
       "imatrix.chunk_count is not a u32 but of type i32"},
      {"SumsWithoutCounts", gguf_with([](GgufImatrix& m) {
         m.counts_record = gguf_tensor("other.counts", {1, 2}, 0, 32);
       }),
       "entry 'blk.0.ffn_up_exps.weight' has no counts tensor"},
      {"CountsWithoutSums", gguf_with([](GgufImatrix& m) {
         m.sums_record = gguf_tensor("z.in_sum2", {3, 2}, 0, 0);
       }),
       "entry 'blk.0.ffn_up_exps.weight' has no in_sum2 tensor"},
      {"SumsNotF32", gguf_with([](GgufImatrix& m) {
         m.sums_record = gguf_tensor("blk.0.ffn_up_exps.weight.in_sum2", {6, 2}, 1, 0);
       }),
       "is not F32 but F16"},
      {"CountsDoNotDivideSums", gguf_with([](GgufImatrix& m) {
         m.sums_record = gguf_tensor("blk.0.ffn_up_exps.weight.in_sum2", {5}, 0, 0);
       }),
       "has 5 sums, not a multiple of its 2 counts"},
      {"CountsEmpty", gguf_with([](GgufImatrix& m) {
         m.counts_record = gguf_tensor("blk.0.ffn_up_exps.weight.counts", {1, 0}, 0, 32);
       }),
       "is empty"},
      {"SumNotANumber", gguf_with([](GgufImatrix& m) {
         m.sums = floats({0, 0, 0, 0, kNan, 0});
       }),
       "'blk.0.ffn_up_exps.weight.in_sum2' has a non-finite value at position 4"},
      {"SumNegative", gguf_with([](GgufImatrix& m) {
         m.sums = floats({0, -1, 0, 0, 0, 0});
       }),
       "has a negative value at position 1"},
      {"SumThatNoActivationsHave", gguf_with([](GgufImatrix& m) {
         m.sums = floats({0, 0, 9e15f, 0, 0, 0});
       }),
       "has the importance 3e+15 at position 2, which no activations have"},
      {"CountInfinite", gguf_with([](GgufImatrix& m) {
         m.counts = floats({kInfinity, 1});
       }),
       "counts' has a non-finite value"},
      {"CountNegative", gguf_with([](GgufImatrix& m) {
         m.counts = floats({1, -1});
       }),
       "counts' has a negative value"},
      {"SameTensorTwice", gguf_with([](GgufImatrix& m) {
         m.counts_record = gguf_tensor("blk.0.ffn_up_exps.weight.in_sum2", {1, 2}, 0, 32);
       }),
       "appears twice"},
      {"NoTensorsOfAMatrix", gguf_with([](GgufImatrix& m) {
         m.sums_record = gguf_tensor("a", {3, 2}, 0, 0);
         m.counts_record = gguf_tensor("b", {2}, 0, 32);
       }),
       "holds no entries"},
      {"BrokenGguf", "GGUF\x03"s, "the version at byte 4"},
  };
}

class BadImatrices : public testing::TestWithParam<BadImatrix> {};

TEST_P(BadImatrices, AreRefusedWithTheirReason) {
  const ScratchFolder folder;
  const fs::path path = folder.add("bad.imatrix", GetParam().bytes);
  expect_error(ErrorKind::input_invalid, GetParam().piece, [&] { ImportanceMatrix matrix(path); });
  expect_error(ErrorKind::input_invalid, "bad.imatrix", [&] { ImportanceMatrix matrix(path); });
}

INSTANTIATE_TEST_SUITE_P(Each, BadImatrices, testing::ValuesIn(bad_matrices()),
                         [](const auto& param) { return std::string(param.param.name); });

TEST(ImportanceMatrix, EveryTruncatedPrefixIsRefused) {
  const ScratchFolder folder;
  const std::string entries =
      raw(2) + legacy_entry("b", 4, floats({2.0f, 1.0f})) + legacy_entry("a", 1, floats({5.0f}));
  const std::string legacy = entries + legacy_tail(11, "words.txt");
  for (std::size_t size = 0; size < legacy.size(); ++size) {
    if (size == entries.size()) continue;  // the oldest files' end
    SCOPED_TRACE(size);
    const fs::path path = folder.add("cut.dat", legacy.substr(0, size));
    expect_error(ErrorKind::input_invalid, "cut.dat", [&] { ImportanceMatrix matrix(path); });
  }
  const std::string gguf = GgufImatrix().file();
  for (std::size_t size = 0; size < gguf.size(); ++size) {
    SCOPED_TRACE(size);
    const fs::path path = folder.add("cut.gguf", gguf.substr(0, size));
    expect_error(ErrorKind::input_invalid, "cut.gguf", [&] { ImportanceMatrix matrix(path); });
  }
}

TEST(ImportanceMatrix, TensorsThatAreNeitherSumsNorCountsAreNamed) {
  GgufParts parts;
  parts.keys = GgufImatrix().keys;
  parts.tensors = {gguf_tensor("a.in_sum2", {2}, 0, 0), gguf_tensor("a.counts", {1}, 0, 32),
                   gguf_tensor("extra", {1}, 0, 64)};
  parts.data = floats({1, 2}) + std::string(24, '\0') + floats({2}) + std::string(28, '\0') + floats({0});
  const ScratchFolder folder;
  const ImportanceMatrix matrix(folder.add("i.gguf", parts.file()));
  EXPECT_EQ(matrix.find("a")[1], 1.0f);
  ASSERT_EQ(matrix.warnings().size(), 1u);
  EXPECT_NE(matrix.warnings()[0].find("'extra'"), std::string::npos);
}

// The constants are the files' values divided in single precision by numpy.
TEST(ImportanceMatrix, ReadsTheFilesOfLlamaImatrix) {
  const fs::path data = fs::path(QTZ_SHARED_DIR) / "data/imatrix";
  if (!fs::exists(data)) GTEST_SKIP() << "no " << data;
  const ImportanceMatrix demo(data / "demo.imatrix.gguf");
  EXPECT_EQ(demo.size(), 21u);
  EXPECT_EQ(demo.chunks(), 730u);
  EXPECT_EQ(demo.datasets(), (std::vector<std::string>{"novels-calibration.txt"}));
  EXPECT_EQ(demo.find("blk.0.attn_k.weight").size(), 256u);
  EXPECT_EQ(demo.find("blk.0.attn_k.weight")[0], 0x1.0bc1b8p-1f);
  EXPECT_EQ(demo.find("blk.2.ffn_up.weight")[2], 0x1.97231cp+0f);
  EXPECT_TRUE(demo.warnings().empty());

  const ImportanceMatrix llama(data / "Llama-3.2-3B-Instruct.imatrix");
  EXPECT_EQ(llama.size(), 196u);
  EXPECT_EQ(llama.chunks(), 125u);
  EXPECT_EQ(llama.datasets(), (std::vector<std::string>{"calibration_datav3.txt"}));
  EXPECT_EQ(llama.find("blk.0.attn_k.weight").size(), 3072u);
  EXPECT_EQ(llama.find("blk.0.attn_k.weight")[1], 0x1.c1bd8ap-8f);
  EXPECT_EQ(llama.find("blk.0.attn_output.weight")[2], 0x1.abb168p-11f);

  const ImportanceMatrix qwen(data / "Qwen3-4B-Instruct-2507.imatrix.dat");
  EXPECT_EQ(qwen.size(), 252u);
  EXPECT_EQ(qwen.chunks(), 840u);
  EXPECT_EQ(qwen.find("blk.0.attn_k.weight")[0], 0x1.d23702p-8f);
  EXPECT_EQ(qwen.find("blk.0.attn_output.weight")[1], 0x1.6079f6p-13f);
}

}  // namespace
}  // namespace qtz
