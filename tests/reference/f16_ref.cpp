// F16: IEEE half precision, rounded to nearest even.
#include "reference/ref_math.h"

namespace qtz::reference {

void encode_f16(const float* x, const float* /*importance*/, std::uint64_t rows, std::uint64_t cols,
                std::byte* out) {
  for (std::uint64_t i = 0; i < rows * cols; ++i) {
    const std::uint16_t bits = f32_to_f16(x[i]);
    out[2 * i] = static_cast<std::byte>(bits & 0xffU);
    out[2 * i + 1] = static_cast<std::byte>(bits >> 8);
  }
}

void decode_f16(const std::byte* in, float* x, std::uint64_t elems) {
  for (std::uint64_t i = 0; i < elems; ++i) {
    x[i] = f16_to_f32(static_cast<std::uint16_t>(byte_at(in, 2 * i) | (byte_at(in, 2 * i + 1) << 8)));
  }
}

}  // namespace qtz::reference
