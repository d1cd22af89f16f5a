#include "qtz/core/memory.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string>
#include <string_view>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "qtz/core/error.h"
#include "qtz/core/text.h"

namespace qtz {

namespace {

std::optional<std::uint64_t> first_number(std::string_view text) {
  const auto digits = text.find_first_of("0123456789");
  std::uint64_t value = 0;
  if (digits == std::string_view::npos) return std::nullopt;
  std::from_chars(text.data() + digits, text.data() + text.size(), value);
  return value;
}

/// The kilobytes behind a label of a file of /proc, as bytes.
std::optional<std::uint64_t> bytes_of_label(const char* path, std::string_view label) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(label)) continue;
    if (const auto kilobytes = first_number(line)) return *kilobytes * 1024;
    return std::nullopt;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> number_in(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  return std::getline(file, line) ? first_number(line) : std::nullopt;
}

/// What the control group of this process leaves, in its second version.
std::optional<std::uint64_t> left_in_group() {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    constexpr std::string_view kUnified = "0::";
    if (!line.starts_with(kUnified)) continue;
    const std::string folder = "/sys/fs/cgroup" + line.substr(kUnified.size());
    const auto most = number_in(folder + "/memory.max");
    const auto used = number_in(folder + "/memory.current");
    if (most && used) return *most > *used ? *most - *used : 0;
  }
  return std::nullopt;
}

/// In whole megabytes, as --max-memory takes them, with room for what differs from run to run.
std::string enough_for(std::uint64_t bytes) {
  return std::to_string(bytes / 1'000'000 + 2) + "M";
}

}  // namespace

std::uint64_t resident_bytes() {
  return bytes_of_label("/proc/self/status", "VmRSS:").value_or(0);
}

std::optional<std::uint64_t> available_bytes() {
  const auto machine = bytes_of_label("/proc/meminfo", "MemAvailable:");
  const auto group = left_in_group();
  if (machine && group) return std::min(*machine, *group);
  return machine ? machine : group;
}

void release_freed_memory() noexcept {
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
}

void require_memory(std::uint64_t needed, std::uint64_t most) {
  if (most == 0 || needed <= most) return;
  throw Error(ErrorKind::resource,
              "this needs " + format_bytes(needed) + " of memory with one thread, --max-memory is " +
                  format_bytes(most),
              "--max-memory " + enough_for(needed) + " is enough");
}

}  // namespace qtz
