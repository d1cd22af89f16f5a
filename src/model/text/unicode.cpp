#include "model/text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <vector>

#include "model/tokenizer/utf8.h"
#include "qtz/core/error.h"

namespace qtz {
namespace {

utf8proc_category_t category(std::uint32_t point) noexcept {
  return utf8proc_category(static_cast<utf8proc_int32_t>(point));
}

bool is_in(std::uint32_t point, utf8proc_category_t first, utf8proc_category_t last) noexcept {
  const utf8proc_category_t own = category(point);
  return own >= first && own <= last;
}

/// No character below U+0300 is changed by composition, and their UTF-8 begins with smaller bytes.
constexpr unsigned char kFirstComposedLead = 0xCC;

bool is_composed_already(std::string_view text) noexcept {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) >= kFirstComposedLead; });
}

std::vector<utf8proc_int32_t> decomposed_points(std::string_view text) {
  constexpr utf8proc_ssize_t kLongest = 18;  // of one character, by Unicode's promise
  std::vector<utf8proc_int32_t> points;
  points.reserve(text.size());
  utf8proc_int32_t parts[kLongest];
  int bound = 0;
  while (const auto point = take_code_point(text)) {
    const utf8proc_ssize_t count =
        utf8proc_decompose_char(static_cast<utf8proc_int32_t>(*point), parts, kLongest,
                                static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE), &bound);
    QTZ_CHECK(count > 0 && count <= kLongest);
    points.insert(points.end(), parts, parts + count);
  }
  return points;
}

/// Marks after a base character, by their classes. Sorted here, because utf8proc exchanges neighbours, which
/// takes for ever on a long run of them.
void put_marks_in_order(std::vector<utf8proc_int32_t>& points) {
  const auto mark_class = [](utf8proc_int32_t point) {
    return utf8proc_get_property(point)->combining_class;
  };
  const auto is_mark = [&](utf8proc_int32_t point) { return mark_class(point) != 0; };
  for (auto begin = points.begin(); begin != points.end();) {
    begin = std::find_if(begin, points.end(), is_mark);
    const auto end = std::find_if_not(begin, points.end(), is_mark);
    std::stable_sort(begin, end, [&](auto a, auto b) { return mark_class(a) < mark_class(b); });
    begin = end;
  }
}

std::string text_of_points(const std::vector<utf8proc_int32_t>& points) {
  std::string out;
  out.reserve(points.size());
  for (const utf8proc_int32_t point : points) append_code_point(out, static_cast<std::uint32_t>(point));
  return out;
}

}  // namespace

bool is_white_space(std::uint32_t point) noexcept {
  return (point >= 0x09 && point <= 0x0D) || point == 0x20 || point == 0x85 || point == 0xA0 ||
         (point >= 0x1680 && is_in(point, UTF8PROC_CATEGORY_ZS, UTF8PROC_CATEGORY_ZP));
}

bool is_punctuation(std::uint32_t point) noexcept {
  if (point < 0x80) {
    return (point >= '!' && point <= '/') || (point >= ':' && point <= '@') ||
           (point >= '[' && point <= '`') || (point >= '{' && point <= '~');
  }
  return is_in(point, UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_PO);
}

bool is_control(std::uint32_t point) noexcept {
  if (point == '\t' || point == '\n' || point == '\r') return false;
  const utf8proc_category_t own = category(point);
  return own == UTF8PROC_CATEGORY_CC || own == UTF8PROC_CATEGORY_CF || own == UTF8PROC_CATEGORY_CO;
}

bool is_nonspacing_mark(std::uint32_t point) noexcept {
  return category(point) == UTF8PROC_CATEGORY_MN;
}

bool is_decimal_digit(std::uint32_t point) noexcept {
  return category(point) == UTF8PROC_CATEGORY_ND;
}

bool is_number(std::uint32_t point) noexcept {
  return is_in(point, UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO);
}

bool is_word_character(std::uint32_t point) noexcept {
  // Symbols that Unicode calls alphabetic: letters in circles and squares.
  const bool framed = (point >= 0x24B6 && point <= 0x24E9) || (point >= 0x1F130 && point <= 0x1F149) ||
                      (point >= 0x1F150 && point <= 0x1F169) || (point >= 0x1F170 && point <= 0x1F189);
  return framed || is_in(point, UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_PC);  // letters, marks, numbers, "_"
}

std::string lower_case(std::string_view text) {
  constexpr std::uint32_t kCapitalIWithDot = 0x130;  // the only one whose lower case is two characters
  std::string out;
  out.reserve(text.size());
  while (const auto point = take_code_point(text)) {
    if (*point == kCapitalIWithDot) {
      out += "i\xCC\x87";
    } else {
      append_code_point(out,
                        static_cast<std::uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(*point))));
    }
  }
  return out;
}

std::string compose(std::string_view text) {
  if (is_composed_already(text)) return std::string(text);
  std::vector<utf8proc_int32_t> points = decomposed_points(text);
  put_marks_in_order(points);
  const utf8proc_ssize_t count =
      utf8proc_normalize_utf32(points.data(), static_cast<utf8proc_ssize_t>(points.size()),
                               static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  QTZ_CHECK(count >= 0);
  points.resize(static_cast<std::size_t>(count));
  return text_of_points(points);
}

std::string decompose(std::string_view text) {
  std::vector<utf8proc_int32_t> points = decomposed_points(text);
  put_marks_in_order(points);
  return text_of_points(points);
}

}  // namespace qtz
