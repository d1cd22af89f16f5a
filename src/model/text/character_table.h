// SentencePiece's "precompiled_charsmap": what stands for which characters, compiled into a double array.
// Format: sentencepiece, normalizer.cc; darts-clone, darts.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace qtz {

class CharacterTable {
 public:
  /// Changes nothing.
  CharacterTable() = default;
  /// Throws input_invalid for a table that cannot be one.
  explicit CharacterTable(std::string_view bytes);

  /// `text` with every longest entry of the table replaced. Time linear in the text.
  std::string apply(std::string_view text) const;

 private:
  struct Found {
    std::size_t length = 0;  ///< bytes of the text; 0: nothing
    std::size_t value = 0;   ///< where the replacement begins
  };
  Found longest_entry(std::string_view text) const noexcept;

  std::vector<std::uint32_t> units_;
  std::string replacements_;  ///< each ends with a zero byte
};

}  // namespace qtz
