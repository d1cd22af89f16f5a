// Q2_0: 64 elements as { f16 d; 16 bytes of four 2-bit levels }, x ~ d * (q - 1), d = max |x|. Importance is
// ignored.
#include "reference/ternary_ref.h"

namespace qtz::reference {

void encode_q2_0(const float* x, const float* /*importance*/, std::uint64_t rows, std::uint64_t cols,
                 std::byte* out) {
  for (std::uint64_t at = 0; at < rows * cols; at += 64, x += 64, out += 18) {
    const float d = largest_magnitude(x, 64);
    const float inverse = inverse_of(d);
    ByteWriter block(out);
    block.put_f16(d);
    for (int first = 0; first < 64; first += 4) {
      int byte = 0;
      for (int i = 0; i < 4; ++i) {
        // What does not fit an int becomes the smallest one.
        const int rounded = truncate(std::round(x[first + i] * inverse));
        byte |= clamp(rounded + 1, 0, 3) << (2 * i);
      }
      block.put(byte);
    }
  }
}

void decode_q2_0(const std::byte* in, float* x, std::uint64_t elems) {
  for (std::uint64_t at = 0; at < elems; at += 64, x += 64, in += 18) {
    for (std::size_t i = 0; i < 64; ++i) {
      const int level = (byte_at(in, 2 + i / 4) >> (2 * (i % 4))) & 3;
      x[i] = static_cast<float>(level - 1) * f16_at(in, 0);
    }
  }
}

}  // namespace qtz::reference
