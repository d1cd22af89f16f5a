#include "cli/table.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "qtz/core/text.h"

namespace qtz::cli {
namespace {

void append_padded(std::string& line, const std::string& cell, std::size_t width, TextTable::Align align) {
  const std::size_t padding = width > cell.size() ? width - cell.size() : 0;
  if (align == TextTable::Align::right) line.append(padding, ' ');
  line += cell;
  if (align == TextTable::Align::left) line.append(padding, ' ');
}

std::string two_digits(std::uint64_t value) {
  return (value < 10 ? "0" : "") + std::to_string(value);
}

}  // namespace

void TextTable::add(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

std::string TextTable::to_string(std::string_view indent) const {
  std::vector<std::size_t> widths;
  std::vector<std::string> titles;
  for (const auto& column : columns_) {
    widths.push_back(column.title.size());
    titles.push_back(column.title);
  }
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  const auto append_row = [&](const std::vector<std::string>& row) {
    std::string line{indent};
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i > 0) line += "  ";
      append_padded(line, row[i], widths[i], columns_[i].align);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  };
  append_row(titles);
  for (const auto& row : rows_) append_row(row);
  return text;
}

std::string group_digits(std::uint64_t value) {
  std::string digits = std::to_string(value);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, 1, ',');
  return digits;
}

std::string format_significant(double value) {
  std::array<char, 64> buffer{};
  const auto result =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::general, 6);
  return std::string(buffer.data(), result.ptr);
}

std::string format_duration(double seconds) {
  if (!(seconds >= 0) || seconds > 1e9) return "?";
  if (seconds < 9.995) return format_fixed(seconds, 2) + " s";
  if (seconds < 99.95) return format_fixed(seconds, 1) + " s";
  const auto total = static_cast<std::uint64_t>(std::llround(seconds));
  const std::uint64_t hours = total / 3600;
  const std::uint64_t minutes = total / 60 % 60;
  if (hours == 0) return std::to_string(minutes) + ":" + two_digits(total % 60);
  return std::to_string(hours) + ":" + two_digits(minutes) + ":" + two_digits(total % 60);
}

std::string format_count(std::uint64_t value) {
  struct Unit {
    double scale;
    const char* suffix;
  };
  constexpr std::array<Unit, 4> kUnits{{{1e12, " T"}, {1e9, " B"}, {1e6, " M"}, {1e3, " k"}}};
  const auto number = static_cast<double>(value);
  for (const auto& unit : kUnits) {
    if (number < unit.scale) continue;
    const double scaled = number / unit.scale;
    return format_fixed(scaled, scaled < 9.995 ? 2 : scaled < 99.95 ? 1 : 0) + unit.suffix;
  }
  return std::to_string(value);
}

}  // namespace qtz::cli
