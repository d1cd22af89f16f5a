// Where a text may be cut before it is merged: between two characters that stand side by side in no token, no
// merge ever joins the two sides. So a text becomes words that can be merged one by one, with the same
// result, in linear time.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "model/text/number_map.h"
#include "model/tokenizer/utf8.h"

namespace qtz {

class Seams {
 public:
  Seams() : ascii_(kAscii * kAscii, false) {}

  /// Learns the neighbours of a token's text, which must be UTF-8 as far as it is to count.
  void learn(std::string_view token);

  /// Calls visit(word) for the words of `text`, well-formed UTF-8, in order.
  template <typename Visit>
  void for_each_word(std::string_view text, Visit visit) const {
    std::string_view rest = text;
    std::size_t begin = 0;
    auto left = take_code_point(rest);
    while (left) {
      const std::size_t here = text.size() - rest.size();
      const auto right = take_code_point(rest);
      if (!right || !are_neighbours(*left, *right)) {
        visit(text.substr(begin, here - begin));
        begin = here;
      }
      left = right;
    }
  }

 private:
  static constexpr std::uint32_t kAscii = 128;

  bool are_neighbours(std::uint32_t left, std::uint32_t right) const noexcept {
    if (left < kAscii && right < kAscii) return ascii_[left * kAscii + right];
    return others_.find(std::uint64_t{left} << 32 | right) != NumberMap::kNothing;
  }

  std::vector<bool> ascii_;
  NumberMap others_;
};

}  // namespace qtz
