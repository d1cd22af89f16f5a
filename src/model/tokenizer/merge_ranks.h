// Vocabularies of bytes whose tokens are merged in the order of their ids ("ranks"), as tiktoken has them:
// the merges that llama.cpp wants are worked out from the ranks.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace qtz {

/// The longest token that is believed; the longest in use are runs of 128 spaces.
inline constexpr std::size_t kMaxRankedBytes = 512;

class MergeRanks {
 public:
  /// A token's rank is its place. `tokens` must outlive this. Throws input_invalid naming `where` for an
  /// empty token and for one that appears twice.
  MergeRanks(std::span<const std::string> tokens, std::string_view where);

  std::optional<std::uint32_t> find(std::string_view token) const noexcept;

  using Parts = std::pair<std::string_view, std::string_view>;
  /// The two parts that become token `rank` by its own merge, when those of lower rank are applied first;
  /// empty when other than two are left. The parts point into the token. Time n log n in its length.
  std::optional<Parts> last_merge(std::uint32_t rank) const;

  /// Every way to make token `rank` of two tokens, in the order of their ranks.
  std::vector<Parts> all_merges(std::uint32_t rank) const;

 private:
  std::span<const std::string> tokens_;
  std::unordered_map<std::string_view, std::uint32_t> ranks_;
};

/// "left right" in the byte alphabet.
std::string merge_text(const MergeRanks::Parts& parts);

}  // namespace qtz
