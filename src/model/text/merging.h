// Joining neighbours of a piece of text, the best pair first, until no pair can be joined: what all kinds of
// byte pair encoding do. A heap over a linked list, so that a piece of n symbols takes n log n.
// The order is that of SentencePiece's bpe_model.cc and of `tokenizers`' word.rs: best first, then leftmost.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace qtz {

/// A part of a piece of text.
struct MergeSymbol {
  std::uint32_t begin;   ///< bytes of the piece
  std::uint32_t length;  ///< 0: joined to the symbol before it
  std::uint32_t id;      ///< a token, or kNoToken
  std::uint32_t previous;
  std::uint32_t next;
};

/// What two neighbours become, and when: those of lower order first.
struct Joined {
  std::uint32_t order;
  std::uint32_t id;
};

/// The symbols of one piece after another; keeps its memory.
class Merging {
 public:
  void clear() { symbols_.clear(); }

  /// Appends a symbol behind those that there are. A piece has less than 2^32 bytes.
  void add(std::size_t length, std::uint32_t id) {
    const std::uint32_t begin = symbols_.empty() ? 0 : symbols_.back().begin + symbols_.back().length;
    const auto place = static_cast<std::uint32_t>(symbols_.size());
    symbols_.push_back({begin, static_cast<std::uint32_t>(length), id, place - 1, place + 1});
  }

  /// `join(left, right)` gives a std::optional<Joined> for two MergeSymbols.
  template <typename Join>
  void run(Join join) {
    const auto count = static_cast<std::uint32_t>(symbols_.size());
    heap_.clear();
    for (std::uint32_t at = 0; at + 1 < count; ++at) {
      if (const auto joined = join(symbols_[at], symbols_[at + 1])) heap_.push_back(candidate(at, *joined));
    }
    std::make_heap(heap_.begin(), heap_.end());
    while (!heap_.empty()) {
      const Candidate best = heap_.front();
      std::pop_heap(heap_.begin(), heap_.end());
      heap_.pop_back();
      const std::uint32_t at = best.left();
      MergeSymbol& left = symbols_[at];
      if (left.length == 0 || left.next >= count) continue;
      MergeSymbol& right = symbols_[left.next];
      // One of the two has become longer since.
      if (left.length + right.length != best.length) continue;
      left.id = best.id;
      left.length += right.length;
      left.next = right.next;
      right.length = 0;
      if (left.next < count) symbols_[left.next].previous = at;
      if (left.previous < count) offer(left.previous, at, join);
      if (left.next < count) offer(at, left.next, join);
    }
  }

  /// Calls visit(symbol) for all that are left, in order.
  template <typename Visit>
  void for_each(Visit visit) const {
    for (std::size_t at = 0; at < symbols_.size(); at = symbols_[at].next) visit(symbols_[at]);
  }

 private:
  struct Candidate {
    std::uint64_t key;  ///< order, then place of the left symbol
    std::uint32_t length;
    std::uint32_t id;

    std::uint32_t left() const noexcept { return static_cast<std::uint32_t>(key); }
    /// std's heaps have the largest on top, and the lowest key is wanted there.
    bool operator<(const Candidate& other) const noexcept { return key > other.key; }
  };

  Candidate candidate(std::uint32_t left, const Joined& joined) const {
    const std::uint32_t length = symbols_[left].length + symbols_[symbols_[left].next].length;
    return {std::uint64_t{joined.order} << 32 | left, length, joined.id};
  }

  template <typename Join>
  void offer(std::uint32_t left, std::uint32_t right, Join& join) {
    const auto joined = join(symbols_[left], symbols_[right]);
    if (!joined) return;
    heap_.push_back(candidate(left, *joined));
    std::push_heap(heap_.begin(), heap_.end());
  }

  std::vector<MergeSymbol> symbols_;
  std::vector<Candidate> heap_;
};

}  // namespace qtz
