// Columns of plain text for people: padded, numbers to the right, no colour, nothing truncated.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace qtz::cli {

class TextTable {
 public:
  enum class Align { left, right };

  struct Column {
    std::string title;
    Align align = Align::left;
  };

  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// One cell per column; missing ones are empty.
  void add(std::vector<std::string> cells);

  /// Title line and rows, each ended by a newline and without trailing blanks.
  std::string to_string(std::string_view indent = {}) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// Digits of a count in groups: "2,295,552".
std::string group_digits(std::uint64_t value);

/// Six significant digits: "0.0179246", "1.2e-09".
std::string format_significant(double value);

/// "0.85 s", "12.3 s", "4:05", "1:02:09".
std::string format_duration(double seconds);

/// "1.23 M", "7.24 B": the way parameters are counted.
std::string format_count(std::uint64_t value);

}  // namespace qtz::cli
