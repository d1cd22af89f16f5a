#include "qtz/core/output_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <thread>
#include <vector>

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

mode_t mode_of(const fs::path& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0);
  return status.st_mode & 07777;
}

/// Sets the umask for a test.
class Umask {
 public:
  explicit Umask(mode_t mask) : old_(::umask(mask)) {}
  ~Umask() { ::umask(old_); }

 private:
  mode_t old_;
};

TEST(OutputFile, AppearsCompleteAtCommitAndNotBefore) {
  const ScratchFolder folder;
  const fs::path path = folder.path() / "out.gguf";
  {
    OutputFile file(path, 6, {});
    EXPECT_FALSE(fs::exists(path));
    EXPECT_EQ(folder.count(), 1u) << "the temporary file";
    file.write(3, bytes_of("def"));
    file.write(0, bytes_of("abc"));
    file.write(6, {});
    EXPECT_FALSE(fs::exists(path));
    file.commit();
    EXPECT_EQ(read_file(path), "abcdef");
  }
  EXPECT_EQ(read_file(path), "abcdef");
  EXPECT_EQ(folder.count(), 1u);
}

TEST(OutputFile, GetsAFolderOnlyWhereThereIsNone) {
  const ScratchFolder folder;
  const fs::path made = folder.path() / "new";
  make_output_folder(made);
  EXPECT_TRUE(fs::is_directory(made));
  EXPECT_THROW(make_output_folder(made), Error);
  EXPECT_THROW(make_output_folder(folder.path() / "none" / "new"), Error);
}

TEST(OutputFile, LeavesNothingWithoutCommit) {
  const ScratchFolder folder;
  {
    OutputFile file(folder.path() / "out.gguf", 1'000'000, {});
    file.write(0, bytes_of("abc"));
  }
  EXPECT_EQ(folder.count(), 0u);
}

TEST(OutputFile, IsZeroWhereNothingWasWritten) {
  const ScratchFolder folder;
  OutputFile file(folder.path() / "out", 5, {});
  file.write(1, bytes_of("x"));
  file.commit();
  EXPECT_EQ(read_file(folder.path() / "out"), std::string("\0x\0\0\0", 5));
  OutputFile empty(folder.path() / "empty", 0, {});
  empty.commit();
  EXPECT_EQ(read_file(folder.path() / "empty"), "");
}

TEST(OutputFile, TakesWritesFromManyThreads) {
  const ScratchFolder folder;
  constexpr std::size_t kPieces = 64;
  OutputFile file(folder.path() / "out", kPieces * 1000, {});
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = t; i < kPieces; i += 4) {
        file.write(i * 1000, bytes_of(std::string(1000, static_cast<char>('0' + i))));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  file.commit();
  const std::string text = read_file(folder.path() / "out");
  ASSERT_EQ(text.size(), kPieces * 1000);
  for (std::size_t i = 0; i < text.size(); ++i) ASSERT_EQ(text[i], static_cast<char>('0' + i / 1000));
}

TEST(OutputFile, DoesNotReplaceWithoutBeingAsked) {
  const ScratchFolder folder;
  const fs::path path = folder.add("out", "old");
  expect_error(ErrorKind::output, "exists | --force replaces it", [&] { OutputFile file(path, 3, {}); });
  expect_error(ErrorKind::output, "exists | --force replaces it",
               [&] { check_output_possible(path, 3, {}); });
  EXPECT_EQ(read_file(path), "old");
  EXPECT_EQ(folder.count(), 1u);
}

TEST(OutputFile, ReplacesAtCommitWhenAskedAndKeepsTheOldUntilThen) {
  const ScratchFolder folder;
  const fs::path path = folder.add("out", "old");
  fs::permissions(path, fs::perms(0640));
  {
    OutputFile file(path, 3, {true, {}});
    file.write(0, bytes_of("new"));
    EXPECT_EQ(read_file(path), "old");
  }
  EXPECT_EQ(read_file(path), "old") << "a run that fails leaves the old file";
  OutputFile file(path, 3, {true, {}});
  file.write(0, bytes_of("new"));
  file.commit();
  EXPECT_EQ(read_file(path), "new");
  EXPECT_EQ(mode_of(path), 0640u) << "the mode of the replaced file stays";
  EXPECT_EQ(folder.count(), 1u);
}

TEST(OutputFile, NeverReplacesAProtectedInputUnderAnyName) {
  const ScratchFolder folder;
  const fs::path input = folder.add("input", "precious");
  fs::create_hard_link(input, folder.path() / "hard");
  fs::create_symlink("input", folder.path() / "soft");
  fs::create_directory(folder.path() / "sub");
  const OutputOptions options{true, {InputFile(input).identity()}};
  for (const fs::path& path :
       {input, folder.path() / "hard", folder.path() / "soft", folder.path() / "sub/../input"}) {
    SCOPED_TRACE(path);
    expect_error(ErrorKind::output, "is an input or a log of this run",
                 [&] { OutputFile file(path, 3, options); });
  }
  EXPECT_EQ(read_file(input), "precious");
}

TEST(OutputFile, HasTheModeOfAnOrdinaryNewFile) {
  const ScratchFolder folder;
  for (const mode_t mask : {mode_t{022}, mode_t{077}, mode_t{0}}) {
    const Umask scope(mask);
    const fs::path path = folder.path() / ("mask" + std::to_string(mask));
    OutputFile file(path, 1, {});
    file.commit();
    EXPECT_EQ(mode_of(path), 0666u & ~mask);
  }
}

TEST(OutputFile, ThatAppearsDuringTheRunIsNotOverwritten) {
  const ScratchFolder folder;
  const fs::path path = folder.path() / "out";
  {
    OutputFile file(path, 3, {});
    folder.add("out", "other");
    expect_error(ErrorKind::output, "appeared during the run", [&] { file.commit(); });
  }
  EXPECT_EQ(read_file(path), "other");
  EXPECT_EQ(folder.count(), 1u);
}

TEST(OutputFile, InAnImpossiblePlaceIsRefusedBeforeAnyWork) {
  const ScratchFolder folder;
  const fs::path file = folder.add("file", "x");
  const auto refuses = [&](const fs::path& path, std::string_view piece) {
    SCOPED_TRACE(path);
    expect_error(ErrorKind::output, piece, [&] { OutputFile out(path, 1, {true, {}}); });
    expect_error(ErrorKind::output, piece, [&] { check_output_possible(path, 1, {true, {}}); });
  };
  refuses(folder.path() / "nowhere/out", "No such file or directory");
  refuses(file / "out", "is not a folder");
  refuses(folder.path(), "exists and is not a regular file");
  refuses(folder.path() / "", "is not a file name");
  refuses(folder.path() / ".", "is not a file name");
  refuses(folder.path() / "..", "is not a file name");
  refuses("", "is not a file name");
  refuses("/dev/null", "exists and is not a regular file");
  refuses(folder.path() / std::string(256, 'n'), "File name too long");
  const fs::path fifo = folder.path() / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  refuses(fifo, "exists and is not a regular file");
  fs::create_symlink("nowhere", folder.path() / "dangling");
  refuses(folder.path() / "dangling", "is a symbolic link to nothing");
  EXPECT_EQ(folder.count(), 3u);
}

TEST(OutputFile, InAFolderWithoutPermissionIsRefused) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  const ScratchFolder folder;
  fs::permissions(folder.path(), fs::perms(0500));
  expect_error(ErrorKind::output, "Permission denied", [&] { OutputFile out(folder.path() / "out", 1, {}); });
  fs::permissions(folder.path(), fs::perms(0700));
}

TEST(OutputFile, LargerThanTheDiskIsRefusedWithBothNumbers) {
  const ScratchFolder folder;
  expect_error(ErrorKind::output, "needs 4.61 EB but",
               [&] { OutputFile out(folder.path() / "out", 1ull << 62, {}); });
  expect_error(ErrorKind::output, "needs 4.61 EB but",
               [&] { check_output_possible(folder.path() / "out", 1ull << 62, {}); });
  EXPECT_EQ(folder.count(), 0u);
}

TEST(OutputFiles, ThatDoNotFitTogetherAreRefusedWithBothNumbers) {
  const ScratchFolder folder;
  fs::create_directory(folder.path() / "sub");
  const std::uint64_t most = fs::space(folder.path()).available / 5 * 3;
  const std::vector<WantedOutput> outputs = {{folder.path() / "a", most}, {folder.path() / "sub/b", most}};
  for (const WantedOutput& output : outputs) {
    EXPECT_NO_THROW(check_outputs_possible({&output, 1}, {})) << "each fits by itself";
  }
  expect_error(ErrorKind::output, "2 outputs together need", [&] { check_outputs_possible(outputs, {}); });
  EXPECT_EQ(folder.count(), 1u);
}

TEST(OutputFiles, AreCheckedOneByOneToo) {
  const ScratchFolder folder;
  const std::vector<WantedOutput> outputs = {{folder.path() / "a", 1}, {folder.add("b", "old"), 1}};
  expect_error(ErrorKind::output, "b exists", [&] { check_outputs_possible(outputs, {}); });
  EXPECT_NO_THROW(check_outputs_possible(outputs, {true, {}}));
}

TEST(OutputFile, BeyondTheLimitOfFileSizesIsAnErrorAndLeavesNothing) {
  const ScratchFolder folder;
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  const auto old_handler = ::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{4096, limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  expect_error(ErrorKind::output, "reserving 100 kB for",
               [&] { OutputFile out(folder.path() / "out", 100'000, {}); });
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  ::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(folder.count(), 0u);
}

TEST(OutputFile, BeyondTheLimitOfOpenFilesIsAResourceErrorAndLeavesNothing) {
  const ScratchFolder folder;
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit small{20, limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &small), 0);
  std::vector<std::unique_ptr<OutputFile>> files;
  expect_error(ErrorKind::resource, "Too many open files", [&] {
    for (int i = 0; i < 30; ++i) {
      files.push_back(std::make_unique<OutputFile>(folder.path() / std::to_string(i), 3, OutputOptions{}));
    }
  });
  files.clear();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(folder.count(), 0u);
}

TEST(OutputFile, TakesTheLongestNameAFileCanHave) {
  const ScratchFolder folder;
  const fs::path path = folder.path() / (std::string(250, 'n') + ".gguf");
  OutputFile file(path, 3, {});
  file.write(0, bytes_of("abc"));
  file.commit();
  EXPECT_EQ(read_file(path), "abc");
}

TEST(OutputFile, RemovesWhatAKilledRunLeftButNotWhatALiveOneWrites) {
  const ScratchFolder folder;
  folder.add(".out.qtz-1-0.tmp", "stale");
  folder.add(".other.qtz-1-0.tmp", "of another output");
  const fs::path live = folder.add(".out.qtz-1-1.tmp", "live");
  const int fd = ::open(live.c_str(), O_RDWR);
  ASSERT_EQ(::flock(fd, LOCK_EX | LOCK_NB), 0);
  { OutputFile file(folder.path() / "out", 3, {}); }
  EXPECT_FALSE(fs::exists(folder.path() / ".out.qtz-1-0.tmp"));
  EXPECT_TRUE(fs::exists(folder.path() / ".other.qtz-1-0.tmp"));
  EXPECT_TRUE(fs::exists(live));
  ::close(fd);
}

TEST(OutputFile, TwoRunsToTheSameNameDoNotDisturbEachOther) {
  const ScratchFolder folder;
  const fs::path path = folder.path() / "out";
  OutputFile first(path, 5, {});
  OutputFile second(path, 6, {});
  first.write(0, bytes_of("first"));
  second.write(0, bytes_of("second"));
  first.commit();
  expect_error(ErrorKind::output, "appeared during the run", [&] { second.commit(); });
  EXPECT_EQ(read_file(path), "first");
}

TEST(OutputFiles, GetTheirNamesAllOrNone) {
  const ScratchFolder folder;
  OutputFile first(folder.path() / "first", 3, {});
  OutputFile second(folder.path() / "second", 3, {});
  OutputFile other(folder.path() / "other", 3, {});
  folder.add("other", "theirs");
  expect_error(ErrorKind::output, "other appeared during the run", [&] {
    commit_together({{&first, &second}, {&other}});
  });
  EXPECT_FALSE(fs::exists(first.path()));
  EXPECT_FALSE(fs::exists(second.path()));
  EXPECT_EQ(read_file(other.path()), "theirs");
}

TEST(OutputFiles, ThatCannotAllReplaceTheOldOnesLeaveThemWhereTheyWere) {
  const ScratchFolder folder;
  const OutputOptions options{true, {}};
  folder.add("single", "old single");
  folder.add("first", "old first");
  {
    OutputFile single(folder.path() / "single", 3, options);
    OutputFile last(folder.path() / "last", 3, options);
    OutputFile first(folder.path() / "first", 3, options);
    fs::create_directory(folder.path() / "last");
    expect_error(ErrorKind::output, "last: Is a directory", [&] {
      commit_together({{&single}, {&first, &last}});
    });
  }
  EXPECT_EQ(read_file(folder.path() / "single"), "old single");
  EXPECT_EQ(read_file(folder.path() / "first"), "old first");
  EXPECT_EQ(folder.count(), 3u);
}

TEST(OutputFiles, ReplaceTheOldOnesAndKeepNothingOfThem) {
  const ScratchFolder folder;
  const OutputOptions options{true, {}};
  std::vector<std::unique_ptr<OutputFile>> files;
  for (const char* name : {"third", "second", "first"}) {
    folder.add(name, "old");
    files.push_back(std::make_unique<OutputFile>(folder.path() / name, 3, options));
    files.back()->write(0, bytes_of("new"));
  }
  commit_together({{files[0].get(), files[1].get(), files[2].get()}});
  for (const auto& file : files) EXPECT_EQ(read_file(file->path()), "new");
  EXPECT_EQ(folder.count(), 3u);
}

TEST(OutputFile, TemporaryFilesCanBeRemovedFromASignalHandler) {
  const ScratchFolder folder;
  auto first = std::make_unique<OutputFile>(folder.path() / "a", 3, OutputOptions{});
  auto second = std::make_unique<OutputFile>(folder.path() / "b", 3, OutputOptions{});
  EXPECT_EQ(folder.count(), 2u);
  remove_temporary_files();
  EXPECT_EQ(folder.count(), 0u);
  first.reset();
  second.reset();
  EXPECT_EQ(folder.count(), 0u);
}

}  // namespace
}  // namespace qtz
