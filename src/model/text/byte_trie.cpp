#include "model/text/byte_trie.h"

namespace qtz {

ByteTrie::ByteTrie() : values_{kNoValue} {
  first_.fill(kNowhere);
}

void ByteTrie::add(std::string_view text, std::uint32_t value) {
  Node node = kRoot;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const Node fresh = static_cast<Node>(values_.size());
    Node to = fresh;
    if (node == kRoot) {
      if (first_[byte] == kNowhere) first_[byte] = fresh;
      to = first_[byte];
    } else {
      to = static_cast<Node>(steps_.find_or_add(std::uint64_t{node} << 8 | byte, fresh));
    }
    if (to == fresh) values_.push_back(kNoValue);
    node = to;
  }
  if (node != kRoot && values_[node] == kNoValue) values_[node] = value;
}

std::optional<ByteTrie::Found> ByteTrie::longest_prefix(std::string_view text) const noexcept {
  std::optional<Found> found;
  for_each_prefix(text, [&](std::size_t length, std::uint32_t value) { found = Found{length, value}; });
  return found;
}

}  // namespace qtz
