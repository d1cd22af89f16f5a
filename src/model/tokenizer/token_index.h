// Which position a token's text has in a vocabulary: a hash table of positions only, four bytes a slot, so
// that half a million texts are not stored twice. Lookup only; nothing is ever ordered by it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "model/tokenizer/tokenizer_json.h"

namespace qtz {

class TokenIndex {
 public:
  /// `entries` must outlive the index and keep its order.
  explicit TokenIndex(std::span<const VocabEntry> entries);

  /// The id of `text`.
  std::optional<std::uint32_t> find(std::string_view text) const noexcept;

  /// A text that two entries share, if any.
  const VocabEntry* duplicate() const noexcept { return duplicate_; }

 private:
  std::size_t slot(std::string_view text) const noexcept;

  std::span<const VocabEntry> entries_;
  std::vector<std::uint32_t> slots_;  ///< position + 1, 0 for free; the size is a power of two
  const VocabEntry* duplicate_ = nullptr;
};

}  // namespace qtz
