// What the reference codecs of IQ1_S and IQ1_M share: levels -1, 0 and 1 with a shift, chosen by two
// boundaries among the sorted elements and then moved to points of a grid.
#pragma once

#include <vector>

#include "reference/grid_ref.h"

namespace qtz::reference {

/// The worth of the digits with the shift up, and down.
inline constexpr float kIq1Up[] = {-0.875F, 0.125F, 1.125F};
inline constexpr float kIq1Down[] = {-1.125F, -0.125F, 0.875F};

inline const float* iq1_values(bool down) {
  return down ? kIq1Down : kIq1Up;
}

/// The best boundaries: the elements order[0 .. low) are digit 0, [low .. high) are 1, the others 2.
struct Boundaries {
  float scale = 0;
  float best = -std::numeric_limits<float>::max();
  int low = -1;
  int high = -1;
  int choice = -1;  ///< of shifts; -1 if nothing fitted

  void offer(float qx, float qq, int at_low, int at_high, int with);
};

/// The elements from the smallest to the largest; equal ones as they stand.
std::vector<int> ascending(std::size_t n, const float* x);

/// Digits of all n elements by the boundaries, upside down if the scale is negative.
Digits digits_of(const Boundaries& found, const std::vector<int>& order);

/// The points of each eight elements; `down` tells the shift of each. If one had to move, the scale is fitted
/// again.
std::vector<int> move_to_grid(const Digits& digits, const float* x, const float* weight,
                              const std::vector<bool>& down, float& scale);

}  // namespace qtz::reference
