// F32: stored as it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "quants/lane.h"

namespace qtz::quants::f32 {

template <class L>
void encode(const float* tile, const float*, std::uint64_t rows, std::uint64_t cols,
            std::byte* out) noexcept {
  std::memcpy(out, tile, rows * cols * sizeof(float));
}

template <class L>
void decode(const std::byte* in, float* x, std::uint64_t elems) noexcept {
  std::memcpy(x, in, elems * sizeof(float));
}

}  // namespace qtz::quants::f32
