#include "qtz/core/scratch_file.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace qtz {
namespace {

namespace fs = std::filesystem;

/// TMPDIR as long as a test lasts.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const fs::path& folder) {
    if (const char* old = std::getenv("TMPDIR")) old_ = old;
    ::setenv("TMPDIR", folder.c_str(), 1);
  }
  ~TemporaryFolder() {
    if (old_) {
      ::setenv("TMPDIR", old_->c_str(), 1);
    } else {
      ::unsetenv("TMPDIR");
    }
  }

 private:
  std::optional<std::string> old_;
};

TEST(ScratchFile, GivesBackWhatWasWrittenAndHasNoName) {
  const test::ScratchFolder folder;
  const TemporaryFolder at(folder.path());
  ScratchFile file(10);
  const std::array<std::byte, 3> written{std::byte{1}, std::byte{2}, std::byte{3}};
  file.write(7, written);
  std::array<std::byte, 4> read{};
  file.read(6, read);
  EXPECT_EQ(read, (std::array<std::byte, 4>{std::byte{0}, std::byte{1}, std::byte{2}, std::byte{3}}));
  EXPECT_EQ(folder.count(), 0u);
}

TEST(ScratchFile, NeedsItsFolder) {
  const test::ScratchFolder folder;
  const TemporaryFolder at(folder.path() / "missing");
  test::expect_error(ErrorKind::resource, "No such file", [] { ScratchFile(1); });
}

TEST(ScratchFile, NeedsRoomOnTheDisk) {
  test::expect_error(ErrorKind::resource, "reserving", [] { ScratchFile(std::uint64_t{1} << 60); });
}

}  // namespace
}  // namespace qtz
