#include "qtz/core/input_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <thread>
#include <vector>

#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace qtz {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::ScratchFolder;

TEST(InputFile, ReadsByPosition) {
  const ScratchFolder folder;
  const InputFile file(folder.add("f", "0123456789"));
  EXPECT_EQ(file.size(), 10u);
  std::string text(4, ' ');
  file.read(3, std::as_writable_bytes(std::span(text)));
  EXPECT_EQ(text, "3456");
  file.read(6, std::as_writable_bytes(std::span(text)));
  EXPECT_EQ(text, "6789");
  file.read(10, {});
}

TEST(InputFile, NeverReadsLessThanAskedFor) {
  const ScratchFolder folder;
  const InputFile file(folder.add("f", "0123456789"));
  std::array<std::byte, 4> bytes{};
  expect_error(ErrorKind::input_invalid, "needs 4 bytes at offset 7 but the file has only 10",
               [&] { file.read(7, bytes); });
  expect_error(ErrorKind::input_invalid, "needs 4 bytes", [&] { file.read(~0ull, bytes); });
  expect_error(ErrorKind::input_invalid, "needs 4 bytes", [&] { file.read(~0ull - 3, bytes); });
}

TEST(InputFile, ThatShrinksIsAnErrorAndNotASignal) {
  const ScratchFolder folder;
  const fs::path path = folder.add("f", std::string(10'000, 'x'));
  const InputFile file(path);
  fs::resize_file(path, 100);
  std::vector<std::byte> bytes(10'000);
  expect_error(ErrorKind::input_invalid, "became shorter while it was read", [&] { file.read(0, bytes); });
  expect_error(ErrorKind::input_invalid, "was changed while it was read", [&] { file.check_unchanged(); });
}

TEST(InputFile, NoticesAChange) {
  const ScratchFolder folder;
  const fs::path path = folder.add("f", "one");
  const InputFile file(path);
  file.check_unchanged();
  test::write_file(path, "two");
  const timespec times[2] = {{1, 0}, {1, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  expect_error(ErrorKind::input_invalid, "was changed", [&] { file.check_unchanged(); });
}

TEST(InputFile, ThatIsMissingIsNamedWithTheReason) {
  const ScratchFolder folder;
  expect_error(ErrorKind::input_missing, "nowhere.safetensors: No such file",
               [&] { InputFile file(folder.path() / "nowhere.safetensors"); });
  folder.add("file", "");
  expect_error(ErrorKind::input_missing, "Not a directory",
               [&] { InputFile file(folder.path() / "file/below"); });
  expect_error(ErrorKind::input_missing, "cannot open", [] { InputFile file(""); });
  fs::create_symlink("loop", folder.path() / "loop");
  expect_error(ErrorKind::input_missing, "cannot open", [&] { InputFile file(folder.path() / "loop"); });
}

TEST(InputFile, WithoutPermissionIsAMissingInput) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  const ScratchFolder folder;
  const fs::path path = folder.add("secret", "x");
  fs::permissions(path, fs::perms::none);
  expect_error(ErrorKind::input_missing, "Permission denied", [&] { InputFile file(path); });
}

TEST(InputFile, ThatIsNoRegularFileIsRefusedAtOnce) {
  const ScratchFolder folder;
  expect_error(ErrorKind::input_invalid, "is not a regular file", [&] { InputFile file(folder.path()); });
  const fs::path fifo = folder.path() / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  expect_error(ErrorKind::input_invalid, "is not a regular file", [&] { InputFile file(fifo); });
  expect_error(ErrorKind::input_invalid, "is not a regular file", [] { InputFile file("/dev/zero"); });
  const fs::path socket = folder.path() / "socket";
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "%s", socket.c_str());
  ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_THROW(InputFile{socket}, Error);
  ::close(fd);
}

TEST(InputFile, BeyondTheLimitOfOpenFilesIsAResourceError) {
  const ScratchFolder folder;
  const fs::path path = folder.add("f", "x");
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit small{20, limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &small), 0);
  std::vector<InputFile> files;
  expect_error(ErrorKind::resource, "Too many open files", [&] {
    for (int i = 0; i < 30; ++i) files.emplace_back(path);
  });
  files.clear();
  EXPECT_NO_THROW(InputFile{path}) << "moved and destroyed files give their descriptors back";
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
}

TEST(InputFile, HasAnIdentityBeyondItsName) {
  const ScratchFolder folder;
  const fs::path path = folder.add("a", "x");
  fs::create_hard_link(path, folder.path() / "b");
  fs::create_symlink("a", folder.path() / "c");
  const fs::path other = folder.add("d", "x");
  EXPECT_EQ(InputFile(path).identity(), InputFile(folder.path() / "b").identity());
  EXPECT_EQ(InputFile(path).identity(), InputFile(folder.path() / "c").identity());
  EXPECT_NE(InputFile(path).identity(), InputFile(other).identity());
}

TEST(InputFile, CanBeMoved) {
  const ScratchFolder folder;
  InputFile first(folder.add("a", "abc"));
  InputFile second(folder.add("b", "de"));
  second = std::move(first);
  EXPECT_EQ(second.size(), 3u);
  std::string text(3, ' ');
  second.read(0, std::as_writable_bytes(std::span(text)));
  EXPECT_EQ(text, "abc");
}

TEST(ReadTextFile, OfAPipeReadsAllOrRefusesWhereAPipeMayBe) {
  const ScratchFolder folder;
  const fs::path fifo = folder.path() / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  const std::string text(200'000, 'x');  // more than a pipe holds at once
  const auto old_handler = ::signal(SIGPIPE, SIG_IGN);
  const auto read_while_written = [&](std::uint64_t limit) {
    const std::jthread writer([&] { std::ofstream(fifo) << text; });
    return read_text_file_or_pipe(fifo, limit);
  };
  EXPECT_EQ(read_while_written(200'000), text);
  expect_error(ErrorKind::input_invalid, "gives more than the 1.00 kB", [&] { read_while_written(1000); });
  ::signal(SIGPIPE, old_handler);
  EXPECT_EQ(read_text_file_or_pipe(folder.add("f", "abc"), 3), "abc");
  expect_error(ErrorKind::input_invalid, "is not a regular file", [&] { read_text_file(fifo, 1000); });
  expect_error(ErrorKind::input_invalid, "is not a regular file",
               [&] { read_text_file_or_pipe(folder.path(), 1000); });
  expect_error(ErrorKind::input_missing, "cannot open",
               [&] { read_text_file_or_pipe(folder.path() / "nothing", 1000); });
}

TEST(ReadTextFile, ReadsAllOrRefuses) {
  const ScratchFolder folder;
  const fs::path path = folder.add("f", std::string("a\0b", 3));
  EXPECT_EQ(read_text_file(path, 3), std::string("a\0b", 3));
  EXPECT_EQ(read_text_file(folder.add("empty", ""), 0), "");
  expect_error(ErrorKind::input_invalid, "at most 2 B are read", [&] { read_text_file(path, 2); });
}

}  // namespace
}  // namespace qtz
