// tokenizer.ggml.merges, ready to be applied: which two tokens become which, and in what order.
#pragma once

#include <optional>

#include "model/text/merging.h"
#include "model/text/number_map.h"
#include "model/text/token_table.h"
#include "qtz/formats/gguf_value.h"

namespace qtz {

class MergeTable {
 public:
  /// Merges of texts that are no tokens, or that make none, are left out. Throws input_invalid when there are
  /// no merges at all, or one is not two texts with a space between.
  MergeTable(const KvList& keys, const TokenTable& tokens);

  std::optional<Joined> join(const MergeSymbol& left, const MergeSymbol& right) const noexcept {
    const std::uint64_t found = table_.find(std::uint64_t{left.id} << 32 | right.id);
    if (found == NumberMap::kNothing) return std::nullopt;
    return Joined{static_cast<std::uint32_t>(found >> 32), static_cast<std::uint32_t>(found)};
  }

 private:
  NumberMap table_;  ///< left token, right token -> order, token
};

}  // namespace qtz
