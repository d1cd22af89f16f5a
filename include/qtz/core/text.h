// Words for people: sizes, nearest names, case folding of ASCII.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace qtz {

/// "1.50 GB": decimal units, three significant digits.
std::string format_bytes(std::uint64_t bytes);

/// Parses "2G", "500M", "1.5GiB", "123": decimal unless an "i" follows. Empty when malformed or too large.
std::optional<std::uint64_t> parse_bytes(std::string_view text);

std::string ascii_lower(std::string_view text);
std::string ascii_upper(std::string_view text);
bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept;

/// The candidate with the smallest edit distance, if it is near enough to be what was meant. '_' and '-' left
/// out or put elsewhere make no distance: people write q4km for Q4_K_M.
std::optional<std::string_view> nearest(std::string_view word, std::span<const std::string_view> candidates);

/// std::to_chars for floats: shortest text that reads back the same, locale-free.
std::string format_double(double value);

/// Fixed number of decimals, locale-free.
std::string format_fixed(double value, int decimals);

}  // namespace qtz
