#include "cli/progress_text.h"

#include <algorithm>
#include <vector>

#include "cli/table.h"
#include "qtz/core/text.h"

namespace qtz::cli {
namespace {

double fraction(const ProgressState& state) {
  if (state.total_bytes == 0) return 1.0;
  return std::min(1.0, static_cast<double>(state.done_bytes) / static_cast<double>(state.total_bytes));
}

std::string percent(const ProgressState& state) {
  const auto whole = static_cast<int>(fraction(state) * 100.0);
  return std::to_string(whole) + "%";
}

std::string rate(const ProgressState& state) {
  if (state.seconds <= 0) return "- MB/s";
  return format_bytes(static_cast<std::uint64_t>(static_cast<double>(state.done_bytes) / state.seconds)) +
         "/s";
}

std::string eta(const ProgressState& state) {
  if (state.done_bytes == 0) return "ETA ?";
  const double done = static_cast<double>(state.done_bytes);
  const double left = static_cast<double>(state.total_bytes) - done;
  return "ETA " + format_duration(std::max(0.0, left) * state.seconds / done);
}

}  // namespace

std::string progress_bar(const ProgressState& state, std::size_t width) {
  constexpr std::size_t kBarWidth = 24;
  std::string share = percent(state);
  share.insert(0, 4 - std::min<std::size_t>(4, share.size()), ' ');
  const std::vector<std::string> words = {
      share,
      std::to_string(state.done_items) + "/" + std::to_string(state.total_items) + " " + state.what,
      format_bytes(state.done_bytes) + "/" + format_bytes(state.total_bytes),
      rate(state),
      eta(state),
  };
  std::string text;
  for (const auto& word : words) text += "  " + word;
  std::string line = state.stage;
  if (line.size() + kBarWidth + 3 + text.size() <= width) {
    const auto filled = static_cast<std::size_t>(fraction(state) * static_cast<double>(kBarWidth));
    line += " [" + std::string(filled, '=');
    if (filled < kBarWidth) line += '>' + std::string(kBarWidth - filled - 1, ' ');
    line += ']';
  }
  line += text;
  if (line.size() > width) line.resize(width);
  return line;
}

std::string progress_line(const ProgressState& state) {
  return state.stage + ": " + percent(state) + ", " + std::to_string(state.done_items) + " of " +
         std::to_string(state.total_items) + " " + state.what + ", " + format_bytes(state.done_bytes) +
         " of " + format_bytes(state.total_bytes) + ", " + rate(state) + ", " + eta(state);
}

}  // namespace qtz::cli
