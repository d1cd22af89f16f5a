// TQ2_0: 256 elements as { 64 bytes of four 2-bit levels; f16 d }, x ~ d * (q - 1), d = max |x|. Importance
// is ignored.
#include "reference/ternary_ref.h"

namespace qtz::reference {
namespace {

/// Byte and bit of an element's level.
std::size_t byte_of(std::size_t element) {
  return element / 128 * 32 + element % 32;
}
int shift_of(std::size_t element) {
  return static_cast<int>(element % 128 / 32 * 2);
}

}  // namespace

void encode_tq2_0(const float* x, const float* /*importance*/, std::uint64_t rows, std::uint64_t cols,
                  std::byte* out) {
  for (std::uint64_t at = 0; at < rows * cols; at += 256, x += 256, out += 66) {
    const float d = largest_magnitude(x, 256);
    const float inverse = inverse_of(d);
    int bytes[64] = {};
    for (std::size_t i = 0; i < 256; ++i) {
      const float rounded = std::round(x[i] * inverse);
      // Infinities and NaN (the inverse overflowed) end as 0: their 64-bit conversion has no low bits.
      const int level = std::isfinite(rounded) ? static_cast<int>(rounded) : 0;
      bytes[byte_of(i)] |= (level + 1) << shift_of(i);
    }
    ByteWriter block(out);
    for (const int byte : bytes) block.put(byte);
    block.put_f16(d);
  }
}

void decode_tq2_0(const std::byte* in, float* x, std::uint64_t elems) {
  for (std::uint64_t at = 0; at < elems; at += 256, x += 256, in += 66) {
    for (std::size_t i = 0; i < 256; ++i) {
      x[i] = static_cast<float>(((byte_at(in, byte_of(i)) >> shift_of(i)) & 3) - 1) * f16_at(in, 64);
    }
  }
}

}  // namespace qtz::reference
