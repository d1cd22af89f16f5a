#include "comparison.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "error_bands.h"

namespace qtz {
namespace {

/// Zeros in place of a piece have exactly its signal as noise; the sums' rounding is far below the rest.
constexpr double kLost = 0.99;

/// One piece of a row. Eight sums side by side, for the vectorizer; always the same eight.
void add_piece(DType type, std::span<const float> source, std::span<const float> stored, std::uint64_t first,
               Comparison& out) noexcept {
  constexpr std::size_t kLanes = 8;
  double signal[kLanes] = {};
  double stored_signal[kLanes] = {};
  double product[kLanes] = {};
  double noise[kLanes] = {};
  double max_abs[kLanes] = {};
  for (std::size_t i = 0; i < source.size(); ++i) {
    const std::size_t lane = i % kLanes;
    const double x = static_cast<double>(source[i]);
    const double y = static_cast<double>(stored[i]);
    const double error = x - y;
    signal[lane] += x * x;
    stored_signal[lane] += y * y;
    product[lane] += x * y;
    noise[lane] += error * error;
    max_abs[lane] = std::max(max_abs[lane], std::fabs(error));
  }
  double piece_noise = 0;
  double piece_signal = 0;
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    piece_signal += signal[lane];
    out.signal += signal[lane];
    out.stored_signal += stored_signal[lane];
    out.product += product[lane];
    out.max_abs = std::max(out.max_abs, max_abs[lane]);
    piece_noise += noise[lane];
  }
  out.noise += piece_noise;
  ++out.pieces;
  if (piece_noise > 0 && piece_noise >= kLost * piece_signal) {
    ++out.lost_pieces;
    if (!out.first_lost) out.first_lost = first;
  }
  const double foretold = foretold_noise(type, source);
  out.foretold += foretold;
  if (piece_noise == 0) return;
  const double ratio = foretold > 0 ? piece_noise / foretold : std::numeric_limits<double>::infinity();
  if (ratio > out.worst_piece) {
    out.worst_piece = ratio;
    out.worst_at = first;
  }
}

bool all_finite(std::span<const float> values) noexcept {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

}  // namespace

void Comparison::add(const Comparison& next) noexcept {
  nonfinite += next.nonfinite;
  if (!first_bad) first_bad = next.first_bad;
  same_bytes = same_bytes && next.same_bytes;
  signal += next.signal;
  stored_signal += next.stored_signal;
  product += next.product;
  noise += next.noise;
  foretold += next.foretold;
  max_abs = std::max(max_abs, next.max_abs);
  if (next.worst_piece > worst_piece) {
    worst_piece = next.worst_piece;
    worst_at = next.worst_at;
  }
  pieces += next.pieces;
  lost_pieces += next.lost_pieces;
  if (!first_lost) first_lost = next.first_lost;
}

Comparison compare_rows(DType type, std::span<const float> source, std::span<const float> stored,
                        std::uint64_t cols, std::uint64_t first) noexcept {
  Comparison sum;
  for (std::uint64_t row = 0; row < source.size(); row += cols) {
    for (std::uint64_t col = 0; col < cols; col += kErrorPiece) {
      const std::uint64_t size = std::min<std::uint64_t>(kErrorPiece, cols - col);
      const auto wanted = source.subspan(row + col, size);
      const auto found = stored.subspan(row + col, size);
      const std::uint64_t at = first + row + col;
      if (!all_finite(found)) {
        for (std::uint64_t i = 0; i < size; ++i) {
          if (std::isfinite(found[i])) continue;
          if (!sum.first_bad) sum.first_bad = at + i;
          ++sum.nonfinite;
        }
        continue;
      }
      add_piece(type, wanted, found, at, sum);
    }
  }
  return sum;
}

}  // namespace qtz
