// What the reference codecs of the IQ1, IQ2 and IQ3 types share: the points of their grids, the points near a
// group of levels, and for IQ2 and IQ3 the search of a sub-block.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "reference/ref_math.h"

namespace qtz::reference {

using Digits = std::vector<int>;

/// A set of groups of digits, numbered in ascending order, the first digit counting least.
class PointGrid {
 public:
  /// packed: `digits` digits of `bits` bits each, the first lowest.
  template <class Packed>
  PointGrid(const Packed& packed, int digits, int bits, int rings)
      : rings_(rings),
        bits_(bits),
        number_(std::size_t{1} << (digits * bits), -1),
        near_(std::size_t{1} << (digits * bits)) {
    for (const auto each : packed) {
      Digits point;
      for (int i = 0; i < digits; ++i) point.push_back((each >> (i * bits)) & ((1 << bits) - 1));
      points_.push_back(point);
      number_[each] = static_cast<int>(points_.size()) - 1;
    }
  }

  const Digits& point(int number) const { return points_[static_cast<std::size_t>(number)]; }
  /// -1 for what is no point.
  int number_of(const Digits& digits) const;
  /// The points at the few smallest distances, nearest first, then by number.
  const std::vector<int>& near(const Digits& digits) const;
  int digits() const { return static_cast<int>(points_[0].size()); }

 private:
  std::size_t pack(const Digits& digits) const;

  int rings_;
  int bits_;
  std::vector<Digits> points_;
  std::vector<int> number_;                     ///< by packed digits
  mutable std::vector<std::vector<int>> near_;  ///< likewise, made when asked for
};

const PointGrid& grid_3_xxs();
const PointGrid& grid_3_s();
const PointGrid& grid_2_xxs();
const PointGrid& grid_2_xs();
const PointGrid& grid_2_s();
const PointGrid& grid_1();

/// Of points[..], the one with the smallest sum of weight (scale * value[digit] - x)^2; of equal ones the
/// first, and also when none is below the largest float.
int best_of(const PointGrid& grid, const std::vector<int>& points, const float* x, const float* weight,
            float scale, const float* value);

/// What differs between the searches of the IQ2 and IQ3 types.
struct GridSearch {
  const PointGrid& grid;
  int top;                  ///< the highest digit
  std::size_t sub;          ///< elements of a sub-block
  bool even;                ///< the minus signs of eight elements are an even number
  float zero_below;         ///< largest magnitudes below this are no search's business
  bool first_without_grid;  ///< a search without a grid tells the reach of the candidates
  int candidates;           ///< on either side of the middle
  float step;
  enum class Again { off_grid, all_if_any_off_grid, all } again;
};

struct GridFit256 {
  std::vector<float> scale;   ///< of each sub-block, not negative
  float largest = 0;          ///< of the scales
  std::vector<int> number;    ///< of each group's point
  std::array<int, 32> signs;  ///< of each eight elements, element i at bit i
};

/// x, weight: 256 elements.
GridFit256 search_grid(const GridSearch& search, const float* x, const float* weight);

/// round((scale / step - 1) / 2) in 0 .. top, by 1 / step.
int odd_multiple(float scale, float inverse_step, int top);

/// The eight signs of which seven are stored.
int with_eighth_sign(int seven);

/// importance * sqrt(lift + x^2) for 256 elements; without importance, ones stand for it.
std::array<float, 256> lifted_weights(const float* x, const float* importance, float lift);

}  // namespace qtz::reference
