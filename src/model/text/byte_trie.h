// Texts by their bytes, to find which of many begin at a place of another text.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "model/text/number_map.h"

namespace qtz {

class ByteTrie {
 public:
  ByteTrie();

  /// The first value that a text gets stays. An empty text is left out.
  void add(std::string_view text, std::uint32_t value);

  struct Found {
    std::size_t length;  ///< bytes
    std::uint32_t value;
  };
  /// The longest text that `text` begins with.
  std::optional<Found> longest_prefix(std::string_view text) const noexcept;

  /// Calls visit(length, value) for every text that `text` begins with, the shortest first.
  template <typename Visit>
  void for_each_prefix(std::string_view text, Visit visit) const {
    Node node = kRoot;
    for (std::size_t i = 0; i < text.size(); ++i) {
      node = next(node, static_cast<unsigned char>(text[i]));
      if (node == kNowhere) return;
      if (values_[node] != kNoValue) visit(i + 1, values_[node]);
    }
  }

 private:
  using Node = std::uint32_t;
  static constexpr Node kRoot = 0;
  static constexpr Node kNowhere = UINT32_MAX;
  static constexpr std::uint32_t kNoValue = UINT32_MAX;

  Node next(Node node, unsigned char byte) const noexcept {
    if (node == kRoot) return first_[byte];
    const std::uint64_t found = steps_.find(std::uint64_t{node} << 8 | byte);
    return found == NumberMap::kNothing ? kNowhere : static_cast<Node>(found);
  }

  std::array<Node, 256> first_;  ///< the steps from the root, which every place of a text takes
  NumberMap steps_;              ///< from another node by a byte
  std::vector<std::uint32_t> values_;
};

}  // namespace qtz
