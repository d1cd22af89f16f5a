#include <gtest/gtest.h>

#include "qtz/formats/imatrix.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace qtz {
namespace {

using test::expect_error;
using test::ScratchFolder;

/// A dense tensor, and one of three experts of which the second saw nothing.
StoredImatrix some_matrix() {
  StoredImatrix matrix;
  matrix.entries["blk.0.attn_q.weight"] = {{3.0f, 0.7f, 1e-3f, 900.0f}, {100}};
  matrix.entries["blk.0.ffn_up_exps.weight"] = {{1.0f, 2.0f, 0.0f, 0.0f, 5.0f, 7.0f}, {60, 0, 140}};
  matrix.datasets = {"first.txt", "second.txt"};
  matrix.chunks = 2;
  matrix.chunk_size = 64;
  return matrix;
}

TEST(ImatrixWriter, BothFormsGiveTheSameImportance) {
  const ScratchFolder folder;
  write_imatrix(some_matrix(), ImatrixForm::gguf, folder.path() / "m.gguf", OutputOptions{});
  write_imatrix(some_matrix(), ImatrixForm::dat, folder.path() / "m.dat", OutputOptions{});
  const ImportanceMatrix gguf(folder.path() / "m.gguf");
  const ImportanceMatrix dat(folder.path() / "m.dat");
  ASSERT_EQ(gguf.names(), dat.names());
  for (const std::string& name : gguf.names()) {
    const auto expected = gguf.find(name);
    const auto found = dat.find(name);
    ASSERT_EQ(found.size(), expected.size()) << name;
    for (std::size_t i = 0; i < found.size(); ++i) EXPECT_FLOAT_EQ(found[i], expected[i]) << name << i;
  }
  EXPECT_EQ(dat.find("blk.0.ffn_up_exps.weight")[2], 1.0f) << "an expert without data";
  EXPECT_EQ(gguf.datasets(), (std::vector<std::string>{"first.txt", "second.txt"}));
  EXPECT_EQ(dat.datasets(), std::vector<std::string>{"second.txt"});
  EXPECT_EQ(gguf.chunks(), 2U);
  EXPECT_EQ(dat.chunks(), 2U);
}

TEST(ImatrixWriter, KeepsSumsAndCountsInTheGguf) {
  const ScratchFolder folder;
  const auto path = folder.path() / "m.gguf";
  write_imatrix(some_matrix(), ImatrixForm::gguf, path, OutputOptions{});
  const StoredImatrix read = read_imatrix(InputFile(path));
  for (const auto& [name, entry] : some_matrix().entries) {
    EXPECT_EQ(read.entries.at(name).sums, entry.sums) << name;
    EXPECT_EQ(read.entries.at(name).counts, entry.counts) << name;
  }
  EXPECT_EQ(read.chunk_size, 64U);
}

TEST(ImatrixWriter, CountsStartedWindowsInTheDat) {
  const ScratchFolder folder;
  const auto path = folder.path() / "m.dat";
  write_imatrix(some_matrix(), ImatrixForm::dat, path, OutputOptions{});
  const StoredImatrix read = read_imatrix(InputFile(path));
  EXPECT_EQ(read.form, ImatrixForm::dat);
  EXPECT_EQ(read.entries.at("blk.0.attn_q.weight").counts, std::vector<std::uint64_t>{2});       // 100 / 64
  EXPECT_EQ(read.entries.at("blk.0.ffn_up_exps.weight").counts, std::vector<std::uint64_t>{3});  // 140 / 64
}

TEST(ImatrixWriter, LeavesEntriesWithoutDataOutOfTheDat) {
  const ScratchFolder folder;
  const auto path = folder.path() / "m.dat";
  StoredImatrix matrix = some_matrix();
  matrix.entries["blk.0.attn_q.weight"].counts = {0};
  write_imatrix(matrix, ImatrixForm::dat, path, OutputOptions{});
  EXPECT_EQ(ImportanceMatrix(path).names(), std::vector<std::string>{"blk.0.ffn_up_exps.weight"});
  matrix.entries.erase("blk.0.ffn_up_exps.weight");
  expect_error(ErrorKind::input_invalid, "has data",
               [&] { write_imatrix(matrix, ImatrixForm::dat, folder.path() / "none.dat", OutputOptions{}); });
}

}  // namespace
}  // namespace qtz
