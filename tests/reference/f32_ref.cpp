// F32: the bytes of the number, little endian.
#include <cstring>

#include "reference/ref_math.h"

namespace qtz::reference {

void encode_f32(const float* x, const float* /*importance*/, std::uint64_t rows, std::uint64_t cols,
                std::byte* out) {
  std::memcpy(out, x, rows * cols * sizeof(float));
}

void decode_f32(const std::byte* in, float* x, std::uint64_t elems) {
  std::memcpy(x, in, elems * sizeof(float));
}

}  // namespace qtz::reference
