#include "model/text/digit_groups.h"

#include <vector>

#include "model/text/unicode.h"
#include "model/tokenizer/utf8.h"

namespace qtz {
namespace {

constexpr std::size_t kGroup = 3;

using IsDigit = bool (*)(std::uint32_t);

/// Calls visit(starts, after) for every run of digits: where each digit begins and where the run ends, and
/// what follows it.
template <typename Visit>
void for_each_number(std::string_view text, IsDigit is_digit, Visit visit) {
  std::vector<std::size_t> starts;
  std::string_view rest = text;
  while (true) {
    const std::size_t here = text.size() - rest.size();
    const auto point = take_code_point(rest);
    if (point && is_digit(*point)) {
      starts.push_back(here);
      continue;
    }
    if (!starts.empty()) {
      starts.push_back(here);
      visit(starts, point);
      starts.clear();
    }
    if (!point) return;
  }
}

class Cutter {
 public:
  Cutter(std::string_view text, const VisitPart& visit) : size_(text.size()), visit_(visit) {}

  void cut_at(std::size_t place) {
    if (place > begin_) visit_(begin_, place);
    begin_ = place;
  }
  void finish() { cut_at(size_); }

 private:
  std::size_t size_;
  const VisitPart& visit_;
  std::size_t begin_ = 0;
};

/// Cuts where a number of digits is left that threes make up; `starts` ends with the end of the number.
void cut_threes(const std::vector<std::size_t>& starts, Cutter& cutter) {
  const std::size_t digits = starts.size() - 1;
  for (std::size_t i = digits % kGroup; i < digits; i += kGroup) cutter.cut_at(starts[i]);
}

}  // namespace

void cut_digit_groups(std::string_view text, const VisitPart& visit) {
  Cutter cutter(text, visit);
  for_each_number(text, is_decimal_digit, [&](const std::vector<std::size_t>& starts, const auto& after) {
    if (after && is_word_character(*after)) return;
    cutter.cut_at(starts.front());
    cut_threes(starts, cutter);
    cutter.cut_at(starts.back());
  });
  cutter.finish();
}

void cut_number_groups(std::string_view text, const VisitPart& visit) {
  Cutter cutter(text, visit);
  for_each_number(text, is_number, [&](const std::vector<std::size_t>& starts, const auto&) {
    cutter.cut_at(starts.front());
    cut_threes(starts, cutter);
    cutter.cut_at(starts.back());
  });
  cutter.finish();
}

void cut_thousands(std::string_view text, const VisitPart& visit) {
  Cutter cutter(text, visit);
  for_each_number(text, is_decimal_digit,
                  [&](const std::vector<std::size_t>& starts, const auto&) { cut_threes(starts, cutter); });
  cutter.finish();
}

}  // namespace qtz
