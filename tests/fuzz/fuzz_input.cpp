#include "fuzz/fuzz_input.h"

#include <sys/mman.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace qtz::fuzz {
namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

MemoryFile::MemoryFile(const std::uint8_t* data, std::size_t size) : fd_(::memfd_create("input", 0)) {
  must(fd_ >= 0);
  must(::write(fd_, data, size) == static_cast<ssize_t>(size));
  path_ = "/proc/self/fd/" + std::to_string(fd_);
}

MemoryFile::~MemoryFile() {
  ::close(fd_);
}

Folder::Folder() {
  const bool has_memory = ::access("/dev/shm", W_OK) == 0;
  std::string pattern = std::string(has_memory ? "/dev/shm" : "/tmp") + "/qtz-fuzz-XXXXXX";
  must(::mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

Folder::~Folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void Folder::write(std::string_view name, std::string_view text) const {
  std::ofstream file(path_ / name, std::ios::binary | std::ios::trunc);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  must(file.good());
}

void Folder::link_demo(std::string_view name) const {
  std::filesystem::create_symlink(std::filesystem::path(QTZ_TESTS_DIR) / "data/demo" / name, path_ / name);
}

}  // namespace qtz::fuzz
