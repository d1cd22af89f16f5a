// F16: one element in 2 bytes, FP16 (IEEE half). Nearest code, ties to even; decoding is exact.
// Authority: core/half.h. Lanes are consecutive elements.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quants/half_lane.h"

namespace qtz::quants::f16 {

template <class L>
void encode(const float* tile, const float*, std::uint64_t rows, std::uint64_t cols,
            std::byte* out) noexcept {
  encode_codes<L>(tile, rows * cols, out, [](typename L::F x) { return f32_to_f16<L>(x); });
}

template <class L>
void decode(const std::byte* in, float* x, std::uint64_t elems) noexcept {
  decode_codes<L>(in, x, elems, [](typename L::I code) { return f16_to_f32<L>(code); });
}

}  // namespace qtz::quants::f16
