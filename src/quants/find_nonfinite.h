// Finding NaN and infinities: every value is looked at before it is encoded, so this runs at memory speed.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quants/lane.h"

namespace qtz::quants {

/// Index of the first element that is NaN or infinite, or `elems`.
template <class L>
std::uint64_t find_nonfinite(const float* x, std::uint64_t elems) noexcept {
  using I = typename L::I;
  constexpr std::size_t kStride = 8 * L::width;
  std::uint64_t at = 0;
  for (; at + kStride <= elems; at += kStride) {
    I largest(0);
    for (std::size_t k = 0; k < kStride; k += L::width) {
      largest = L::max(largest, L::bits(L::load(x + at + k)) & I(0x7FFFFFFF));
    }
    if (L::any(L::gt(largest, I(0x7F7FFFFF)))) break;
  }
  for (; at < elems; ++at) {
    if ((ScalarLane::bits(x[at]) & 0x7FFFFFFF) > 0x7F7FFFFF) return at;
  }
  return elems;
}

}  // namespace qtz::quants
