#include "model/tokenizer/merge_ranks.h"

#include <algorithm>
#include <queue>
#include <tuple>

#include "model/tokenizer/byte_alphabet.h"
#include "qtz/core/error.h"

namespace qtz {
namespace {

/// Two neighbouring parts [begin, end) that are a token together.
struct Candidate {
  std::uint32_t rank;
  std::uint32_t begin;
  std::uint32_t end;
  bool operator<(const Candidate& other) const {  // the queue gives the largest first
    return std::tie(rank, begin) > std::tie(other.rank, other.begin);
  }
};

}  // namespace

MergeRanks::MergeRanks(std::span<const std::string> tokens, std::string_view where) : tokens_(tokens) {
  ranks_.reserve(tokens.size());
  for (std::uint32_t rank = 0; rank < tokens.size(); ++rank) {
    if (tokens[rank].empty()) {
      throw Error(ErrorKind::input_invalid,
                  std::string(where) + ": the token of rank " + std::to_string(rank) + " is empty");
    }
    const auto [known, fresh] = ranks_.try_emplace(tokens[rank], rank);
    if (fresh) continue;
    throw Error(ErrorKind::input_invalid, std::string(where) + ": the ranks " +
                                              std::to_string(known->second) + " and " + std::to_string(rank) +
                                              " are both '" + printable(tokens[rank]) + "'");
  }
}

std::optional<std::uint32_t> MergeRanks::find(std::string_view token) const noexcept {
  const auto known = ranks_.find(token);
  return known == ranks_.end() ? std::nullopt : std::optional(known->second);
}

std::optional<MergeRanks::Parts> MergeRanks::last_merge(std::uint32_t rank) const {
  const std::string_view token = tokens_[rank];
  const auto size = static_cast<std::uint32_t>(token.size());
  // end_of[b] is where the part that begins at b ends, 0 when none begins there; begin_before[e] is where the
  // part that ends at e begins.
  std::vector<std::uint32_t> end_of(size + std::size_t{1});
  std::vector<std::uint32_t> begin_before(size + std::size_t{1});
  for (std::uint32_t i = 0; i < size; ++i) {
    end_of[i] = i + 1;
    begin_before[i + 1] = i;
  }
  std::priority_queue<Candidate> queue;
  const auto offer = [&](std::uint32_t begin, std::uint32_t end) {
    const auto merged = find(token.substr(begin, end - begin));
    if (merged && *merged < rank) queue.push({*merged, begin, end});
  };
  for (std::uint32_t i = 0; i + 2 <= size; ++i) offer(i, i + 2);
  std::uint32_t parts = size;
  while (!queue.empty() && parts > 2) {
    const auto [merged, begin, end] = queue.top();
    queue.pop();
    const std::uint32_t middle = end_of[begin];
    // Another merge may have taken one of the two.
    if (middle == 0 || middle >= end || end_of[middle] != end) continue;
    end_of[begin] = end;
    end_of[middle] = 0;
    begin_before[end] = begin;
    --parts;
    if (begin > 0) offer(begin_before[begin], end);
    if (end < size) offer(begin, end_of[end]);
  }
  if (parts != 2) return std::nullopt;
  return Parts(token.substr(0, end_of[0]), token.substr(end_of[0]));
}

std::vector<MergeRanks::Parts> MergeRanks::all_merges(std::uint32_t rank) const {
  const std::string_view token = tokens_[rank];
  std::vector<std::tuple<std::uint32_t, std::uint32_t, std::size_t>> found;
  for (std::size_t at = 1; at < token.size(); ++at) {
    const auto left = find(token.substr(0, at));
    const auto right = left ? find(token.substr(at)) : std::nullopt;
    if (right) found.emplace_back(*left, *right, at);
  }
  std::sort(found.begin(), found.end());
  std::vector<Parts> out;
  for (const auto& [left, right, at] : found) out.emplace_back(token.substr(0, at), token.substr(at));
  return out;
}

std::string merge_text(const MergeRanks::Parts& parts) {
  return encode_byte_alphabet(parts.first) + ' ' + encode_byte_alphabet(parts.second);
}

}  // namespace qtz
