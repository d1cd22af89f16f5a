// Q8_0: 32 elements as { f16 d; int8 q[32] }, x ~ d * q. Importance is ignored.
#include <algorithm>

#include "reference/ref_math.h"

namespace qtz::reference {

void encode_q8_0(const float* x, const float* /*importance*/, std::uint64_t rows, std::uint64_t cols,
                 std::byte* out) {
  for (std::uint64_t at = 0; at < rows * cols; at += 32, x += 32, out += 34) {
    float largest = 0;
    for (int i = 0; i < 32; ++i) largest = std::max(largest, std::fabs(x[i]));
    const float d = largest / 127;
    const float inverse = d != 0 ? 1 / d : 0.0F;
    ByteWriter block(out);
    block.put_f16(d);
    for (int i = 0; i < 32; ++i) block.put(truncate(std::round(x[i] * inverse)));
  }
}

void decode_q8_0(const std::byte* in, float* x, std::uint64_t elems) {
  for (std::uint64_t at = 0; at < elems; at += 32, x += 32, in += 34) {
    for (std::size_t i = 0; i < 32; ++i) {
      x[i] = static_cast<float>(static_cast<std::int8_t>(byte_at(in, 2 + i))) * f16_at(in, 0);
    }
  }
}

}  // namespace qtz::reference
