// F64: read only. Rounded to the nearest f32, ties to even; magnitudes beyond f32 become infinite.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace qtz::quants::f64 {

template <class L>
void decode(const std::byte* in, float* x, std::uint64_t elems) noexcept {
  for (std::uint64_t i = 0; i < elems; ++i) {
    double value;
    std::memcpy(&value, in + i * sizeof value, sizeof value);
    x[i] = static_cast<float>(value);
  }
}

}  // namespace qtz::quants::f64
