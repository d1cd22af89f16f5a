// Tensor names with holes: {L} a layer number, {E} an expert number, {N} any other running number,
// {W} "weight" or "bias".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace qtz {

/// What the holes of a pattern held in one name.
struct NameMatch {
  std::optional<std::uint64_t> layer;
  std::optional<std::uint64_t> index;
  std::string_view kind;  ///< "weight", "bias" or empty
};

/// Matches the whole name. A leading '*' of the pattern matches any start, a trailing
/// one any end. Numbers are decimal without
/// leading zeros, at most nine digits.
std::optional<NameMatch> match_name(std::string_view pattern, std::string_view name);

/// The pattern with its holes filled.
std::string fill_name(std::string_view pattern, const NameMatch& match);

}  // namespace qtz
