// Digits in threes, counted from the right. The models' expressions for it look ahead to the end of the
// number from every place, which takes the square of its length; these take one pass.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

namespace qtz {

/// Calls visit(begin, end) for the parts of `text`, in order and without gaps; bytes.
using VisitPart = std::function<void(std::size_t begin, std::size_t end)>;

/// \d{1,3}(?=(?:\d{3})*\b): the groups of every number that ends with its word; "x12" is one, "12x" none.
void cut_digit_groups(std::string_view text, const VisitPart& visit);

/// \p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N})): the groups of every number, of which all of N* are digits.
void cut_number_groups(std::string_view text, const VisitPart& visit);

/// (?=(\d{3})+(?!\d)): a cut wherever threes are left of a number.
void cut_thousands(std::string_view text, const VisitPart& visit);

}  // namespace qtz
