#include "qtz/core/output_folder.h"

#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fcntl.h>

#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace qtz {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::read_file;
using test::ScratchFolder;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

void write_model(const fs::path& path, const OutputOptions& options, std::string_view text = "new") {
  OutputFolder folder(path, 16, options);
  folder.add("config.json", bytes_of("{}"));
  folder.add("model.safetensors", bytes_of(text));
  folder.commit();
}

TEST(OutputFolder, appears_complete_at_commit_and_not_before) {
  const ScratchFolder scratch;
  const fs::path path = scratch.path() / "model";
  {
    OutputFolder folder(path, 6, {});
    OutputFile& file = folder.add("a", 6);
    file.write(3, bytes_of("def"));
    file.write(0, bytes_of("abc"));
    folder.add("empty", {});
    EXPECT_FALSE(fs::exists(path));
    EXPECT_EQ(scratch.count(), 1u) << "the temporary folder";
    folder.commit();
  }
  EXPECT_EQ(read_file(path / "a"), "abcdef");
  EXPECT_EQ(read_file(path / "empty"), "");
  EXPECT_EQ(std::distance(fs::directory_iterator(path), {}), 2);
  EXPECT_EQ(scratch.count(), 1u);
}

TEST(OutputFolder, leaves_nothing_without_commit) {
  const ScratchFolder scratch;
  {
    OutputFolder folder(scratch.path() / "model/", 4, {});
    folder.add("a", bytes_of("abc"));
  }
  EXPECT_EQ(scratch.count(), 0u);
}

TEST(OutputFolder, replaces_a_model_only_when_told_to) {
  const ScratchFolder scratch;
  const fs::path path = scratch.path() / "model";
  write_model(path, {}, "old");
  test::write_file(path / "vocab.txt", "of the old one");
  expect_error(ErrorKind::output, "exists", [&] { write_model(path, {}); });
  EXPECT_EQ(read_file(path / "model.safetensors"), "old");
  write_model(path, {.overwrite = true, .protect = {}});
  EXPECT_EQ(read_file(path / "model.safetensors"), "new");
  EXPECT_FALSE(fs::exists(path / "vocab.txt"));
  EXPECT_EQ(scratch.count(), 1u);
}

TEST(OutputFolder, takes_the_place_of_an_empty_folder) {
  const ScratchFolder scratch;
  const fs::path path = scratch.path() / "model";
  fs::create_directory(path);
  write_model(path, {});
  EXPECT_EQ(read_file(path / "model.safetensors"), "new");
}

TEST(OutputFolder, never_replaces_what_is_no_model) {
  const ScratchFolder scratch;
  const OutputOptions force{.overwrite = true, .protect = {}};
  scratch.add("home/letter.txt", "precious");
  expect_error(ErrorKind::output, "no model's folder", [&] { write_model(scratch.path() / "home", force); });
  scratch.add("deep/config.json", "{}");
  scratch.add("deep/more/letter.txt", "precious");
  expect_error(ErrorKind::output, "folders in it", [&] { write_model(scratch.path() / "deep", force); });
  scratch.add("file", "precious");
  expect_error(ErrorKind::output, "not a folder", [&] { write_model(scratch.path() / "file", force); });
  fs::create_directory_symlink("deep", scratch.path() / "link");
  expect_error(ErrorKind::output, "not a folder", [&] { write_model(scratch.path() / "link", force); });
  for (const char* name : {"home/..", ".", ""}) {
    expect_error(ErrorKind::output, "not a name", [&] { write_model(fs::path(name), force); });
  }
  EXPECT_EQ(read_file(scratch.path() / "home/letter.txt"), "precious");
}

TEST(OutputFolder, never_replaces_the_folder_of_an_input) {
  const ScratchFolder scratch;
  const fs::path path = scratch.path() / "model";
  write_model(path, {});
  struct stat status {};
  ASSERT_EQ(::stat((path / "model.safetensors").c_str(), &status), 0);
  const OutputOptions options{.overwrite = true, .protect = {{status.st_dev, status.st_ino}}};
  expect_error(ErrorKind::output, "with an input", [&] { write_model(path, options); });
}

TEST(OutputFolder, removes_what_a_killed_run_left_and_nothing_that_is_alive) {
  const ScratchFolder scratch;
  scratch.add(".model.qtz-1-0.tmp/model.safetensors", "half of it");
  scratch.add(".model.qtz-2-0.tmp/model.safetensors", "another run's");
  const int alive = ::open((scratch.path() / ".model.qtz-2-0.tmp").c_str(), O_RDONLY | O_DIRECTORY);
  ASSERT_EQ(::flock(alive, LOCK_EX), 0);
  write_model(scratch.path() / "model", {});
  ::close(alive);
  EXPECT_FALSE(fs::exists(scratch.path() / ".model.qtz-1-0.tmp"));
  EXPECT_TRUE(fs::exists(scratch.path() / ".model.qtz-2-0.tmp"));
}

TEST(OutputFolder, does_not_take_a_name_that_somebody_else_took_meanwhile) {
  const ScratchFolder scratch;
  const fs::path path = scratch.path() / "model";
  OutputFolder folder(path, 4, {});
  folder.add("a", bytes_of("abc"));
  write_model(path, {}, "another run's");
  expect_error(ErrorKind::output, "exists", [&] { folder.commit(); });
  EXPECT_EQ(read_file(path / "model.safetensors"), "another run's");
}

}  // namespace
}  // namespace qtz
