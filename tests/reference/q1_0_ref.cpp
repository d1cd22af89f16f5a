// Q1_0: 128 elements as { f16 d; 128 bits }, x ~ d where the bit is set and -d elsewhere, d = mean |x|.
// Importance is ignored.
#include "reference/ref_math.h"

namespace qtz::reference {

void encode_q1_0(const float* x, const float* /*importance*/, std::uint64_t rows, std::uint64_t cols,
                 std::byte* out) {
  for (std::uint64_t at = 0; at < rows * cols; at += 128, x += 128, out += 18) {
    float sum = 0;
    for (int i = 0; i < 128; ++i) sum += std::fabs(x[i]);
    ByteWriter block(out);
    block.put_f16(sum / 128);
    for (int first = 0; first < 128; first += 8) {
      int bits = 0;
      for (int i = 0; i < 8; ++i) bits |= (x[first + i] < 0 ? 0 : 1) << i;
      block.put(bits);
    }
  }
}

void decode_q1_0(const std::byte* in, float* x, std::uint64_t elems) {
  for (std::uint64_t at = 0; at < elems; at += 128, x += 128, in += 18) {
    const float d = f16_at(in, 0);
    for (std::size_t i = 0; i < 128; ++i) x[i] = ((byte_at(in, 2 + i / 8) >> (i % 8)) & 1) != 0 ? d : -d;
  }
}

}  // namespace qtz::reference
