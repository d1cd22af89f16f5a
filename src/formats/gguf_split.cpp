#include "qtz/formats/gguf_split.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "qtz/core/error.h"

namespace qtz {

std::string split_file_name(std::string_view stem, std::uint32_t index, std::uint32_t count) {
  QTZ_CHECK(index < count && count <= kMaxSplits);
  char tail[32];
  std::snprintf(tail, sizeof tail, "-%05u-of-%05u.gguf", index + 1, count);
  return std::string(stem) + tail;
}

std::optional<SplitName> parse_split_file_name(std::string_view file_name) {
  constexpr std::string_view kPattern = "-00000-of-00000.gguf";
  if (file_name.size() < kPattern.size()) return std::nullopt;
  const std::string_view stem = file_name.substr(0, file_name.size() - kPattern.size());
  const std::string_view tail = file_name.substr(stem.size());
  const auto number = [&](std::size_t at) {
    std::uint32_t value = 0;
    std::from_chars(tail.data() + at, tail.data() + at + 5, value);
    return value;
  };
  const SplitName name{std::string(stem), number(1) - 1, number(10)};
  // Written back, it must be the same: that checks the digits, the words and the order at once.
  if (name.count == 0 || name.count > kMaxSplits || name.index >= name.count) return std::nullopt;
  if (split_file_name(stem, name.index, name.count) != file_name) return std::nullopt;
  return name;
}

}  // namespace qtz
