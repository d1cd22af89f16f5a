#include "model/tokenizer/token_index.h"

#include <bit>
#include <functional>

namespace qtz {

TokenIndex::TokenIndex(std::span<const VocabEntry> entries)
    : entries_(entries), slots_(std::bit_ceil(2 * entries.size() + 1)) {
  for (std::size_t i = 0; i < entries.size(); ++i) {
    std::uint32_t& place = slots_[slot(entries[i].text)];
    if (place != 0) {
      if (duplicate_ == nullptr) duplicate_ = &entries[i];
    } else {
      place = static_cast<std::uint32_t>(i + 1);
    }
  }
}

std::size_t TokenIndex::slot(std::string_view text) const noexcept {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = std::hash<std::string_view>{}(text)&mask;
  while (slots_[at] != 0 && entries_[slots_[at] - 1].text != text) at = (at + 1) & mask;
  return at;
}

std::optional<std::uint32_t> TokenIndex::find(std::string_view text) const noexcept {
  const std::uint32_t place = slots_[slot(text)];
  if (place == 0) return std::nullopt;
  return entries_[place - 1].id;
}

}  // namespace qtz
