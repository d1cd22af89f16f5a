// The one definition of FP16 and BF16 conversion, scalar. Round to nearest, ties to even; NaN stays NaN
// (quiet). The lane texts in quants/ repeat it for vectors and are tested against this on all 65,536 codes.
#pragma once

#include <bit>
#include <cstdint>

namespace qtz {

inline float bf16_to_f32(std::uint16_t bits) noexcept {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

std::uint16_t f32_to_bf16(float value) noexcept;
float f16_to_f32(std::uint16_t bits) noexcept;
std::uint16_t f32_to_f16(float value) noexcept;

}  // namespace qtz
