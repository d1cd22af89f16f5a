#include "qtz/pipeline/importance_merge.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/scratch_folder.h"
#include "unit/pipeline/small_models.h"

namespace qtz {
namespace {

using test::expect_error;

constexpr const char* kDense = "blk.0.attn_q.weight";
constexpr const char* kExperts = "blk.0.ffn_up_exps.weight";

NamedImatrix part(const std::string& name, std::uint64_t chunk_size = 64) {
  NamedImatrix out{{}, name};
  out.matrix.entries[kDense] = {{1.0f, 2.0f}, {64}};
  out.matrix.entries[kExperts] = {{1.0f, 2.0f, 0.0f, 0.0f}, {128, 0}};
  out.matrix.datasets = {name + ".txt"};
  out.matrix.chunks = 1;
  out.matrix.chunk_size = chunk_size;
  return out;
}

/// The same text, as a .dat has it.
NamedImatrix legacy_part() {
  NamedImatrix out{{}, "c.dat"};
  out.matrix.form = ImatrixForm::dat;
  out.matrix.entries[kDense] = {{1.0f / 64, 2.0f / 64}, {1}};
  out.matrix.entries[kExperts] = {{2.0f / 128, 4.0f / 128, 2.0f, 2.0f}, {2}};  // the second expert: no data
  out.matrix.chunks = 1;
  return out;
}

TEST(MergeImatrices, AddsSumsCountsAndWindows) {
  NamedImatrix second = part("b");
  second.matrix.entries["output.weight"] = {{5.0f}, {64}};
  const StoredImatrix found = merge_imatrices({part("a"), second}, 0);
  EXPECT_EQ(found.entries.at(kDense).sums, (std::vector<float>{2.0f, 4.0f}));
  EXPECT_EQ(found.entries.at(kDense).counts, std::vector<std::uint64_t>{128});
  EXPECT_EQ(found.entries.at(kExperts).counts, (std::vector<std::uint64_t>{256, 0}));
  EXPECT_EQ(found.entries.at("output.weight").sums, std::vector<float>{5.0f}) << "what one alone has is kept";
  EXPECT_EQ(found.datasets, (std::vector<std::string>{"a.txt", "b.txt"}));
  EXPECT_EQ(found.chunks, 2U);
  EXPECT_EQ(found.chunk_size, 64U);
  EXPECT_TRUE(found.warnings.empty());
}

TEST(MergeImatrices, CountsTheWindowsOfADatAsTokens) {
  const StoredImatrix found = merge_imatrices({part("a"), legacy_part()}, 0);
  EXPECT_EQ(found.entries.at(kDense).sums, (std::vector<float>{2.0f, 4.0f}));
  EXPECT_EQ(found.entries.at(kDense).counts, std::vector<std::uint64_t>{128});
  EXPECT_EQ(found.chunks, 2U);
  ASSERT_EQ(found.warnings.size(), 1U);
  EXPECT_NE(found.warnings[0].find("c.dat: does not say how long its windows are"), std::string::npos);
}

TEST(MergeImatrices, TakesNoDataFromTheExpertsThatADatStandsInFor) {
  for (const bool legacy_first : {false, true}) {
    std::vector<NamedImatrix> parts{part("a"), legacy_part()};
    if (legacy_first) std::swap(parts[0], parts[1]);
    const StoredImatrix found = merge_imatrices(parts, 64);
    EXPECT_EQ(found.entries.at(kExperts).sums, (std::vector<float>{2.0f, 4.0f, 0.0f, 0.0f}));
    EXPECT_EQ(found.entries.at(kExperts).counts, (std::vector<std::uint64_t>{256, 0}));
  }
}

TEST(MergeImatrices, CountsWindowsOfAnotherSizeByTheirTokens) {
  const StoredImatrix found = merge_imatrices({part("a", 64), part("b", 128)}, 0);
  EXPECT_EQ(found.chunk_size, 64U);
  EXPECT_EQ(found.chunks, 3U);
  ASSERT_EQ(found.warnings.size(), 1U);
  EXPECT_NE(found.warnings[0].find("b: has windows of 128 tokens"), std::string::npos);
  EXPECT_EQ(merge_imatrices({part("a", 64), part("b", 128)}, 32).chunks, 6U);
}

TEST(MergeImatrices, RefusesWhatDoesNotFitTogether) {
  const auto refused = [](const std::string& piece, const NamedImatrix& second) {
    expect_error(ErrorKind::input_invalid, piece, [&] { merge_imatrices({part("a"), second}, 0); });
  };
  NamedImatrix other = part("b");
  other.matrix.entries[kDense].sums.push_back(3.0f);
  refused("b: tensor 'blk.0.attn_q.weight' has 3 sums, but 2", other);
  other = part("b");
  other.matrix.entries[kExperts].counts = {1, 1, 1, 1};
  refused("b: tensor 'blk.0.ffn_up_exps.weight' has 4 experts, but 2", other);
  other = part("b");
  other.matrix.entries = {{"blk.9.attn_q.weight", {{1.0f}, {1}}}};
  refused("b: has no tensor in common", other);
  other = part("b");
  other.matrix.entries[kDense].sums = {3.4e38f, 3.4e38f};
  NamedImatrix twice = other;
  expect_error(ErrorKind::input_invalid, "too large to be added up", [&] {
    merge_imatrices({other, twice}, 0);
  });
  other = part("b");
  other.matrix.chunks = ~std::uint64_t{0};
  refused("b: claims 18446744073709551615 windows", other);
  other = legacy_part();
  other.matrix.entries[kDense].counts = {0};
  refused("c.dat: entry 'blk.0.attn_q.weight' does not say of how many windows it is", other);
}

TEST(RequireFits, HoldsTheMatrixAgainstTheModel) {
  const test::ScratchFolder scratch;
  const GgufModel model = test::small_model("llama", scratch);
  StoredImatrix matrix;
  matrix.entries["blk.77.attn_q.weight"] = {{1.0f}, {1}};
  expect_error(ErrorKind::input_invalid, "m.gguf: the importance matrix is of another model",
               [&] { require_fits(matrix, "m.gguf", model); });
  matrix.entries[kDense] = {{1.0f}, {1}};
  expect_error(ErrorKind::input_invalid, "tensor 'blk.0.attn_q.weight' has 1 sums and 1 counts",
               [&] { require_fits(matrix, "m.gguf", model); });
}

}  // namespace
}  // namespace qtz
