// What tokenizers ask Unicode: classes of characters, lower case, normal forms. The only door to utf8proc.
// Code points are those of well-formed UTF-8.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace qtz {

/// The property White_Space.
bool is_white_space(std::uint32_t point) noexcept;
/// ASCII's punctuation and symbols, and the categories P* of all others: what BERT and `tokenizers` call so.
bool is_punctuation(std::uint32_t point) noexcept;
/// Controls, formats, private use: what BERT leaves out of a text. Tab and line breaks are none.
bool is_control(std::uint32_t point) noexcept;
/// Category Mn: accents that a base character carries.
bool is_nonspacing_mark(std::uint32_t point) noexcept;
/// Category Nd.
bool is_decimal_digit(std::uint32_t point) noexcept;
/// Categories N*.
bool is_number(std::uint32_t point) noexcept;
/// What Oniguruma calls \w: letters, marks, numbers, connecting punctuation.
bool is_word_character(std::uint32_t point) noexcept;

/// Every character of well-formed UTF-8 in lower case, without regard to its neighbours.
std::string lower_case(std::string_view text);

/// The normal form C (composed) of well-formed UTF-8. Time n log n for any text.
std::string compose(std::string_view text);
/// The normal form D (decomposed).
std::string decompose(std::string_view text);

}  // namespace qtz
