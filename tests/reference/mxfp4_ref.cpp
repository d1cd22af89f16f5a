// MXFP4: 32 elements as { u8 e; 16 bytes of nibbles }, x ~ 2^(e - 128) * value[q] with the doubled E2M1
// values. Importance is ignored.
#include "reference/mxfp4_ref.h"

#include <algorithm>

#include "reference/fp4_ref.h"

namespace qtz::reference {
namespace {

/// How far below 2^n, in units of 2^(n - 24), the logarithm still rounds to n: by the number of bits of |n|,
/// of n - 1 for positive n, as just below n a float has the spacing of that.
constexpr int kRoundsUp[9] = {0, 0, 1, 2, 5, 11, 22, 44, 88};

float scale_of(int e) {
  return static_cast<float>(std::ldexp(1.0, e - 128));
}

}  // namespace

int rounded_exponent(float x) {
  int n = 0;
  const double fraction = std::frexp(static_cast<double>(x), &n);  // x = fraction * 2^n, fraction in [1/2, 1)
  const int distance = n > 0 ? n - 1 : -n;
  int bits = 0;
  while (distance >> bits != 0) ++bits;
  const double below = (1 - fraction) * 0x1p24;
  return below <= kRoundsUp[bits] ? n : n - 1;
}

void encode_mxfp4(const float* x, const float* /*importance*/, std::uint64_t rows, std::uint64_t cols,
                  std::byte* out) {
  for (std::uint64_t at = 0; at < rows * cols; at += 32, x += 32, out += 17) {
    float largest = 0;
    for (int i = 0; i < 32; ++i) largest = std::max(largest, std::fabs(x[i]));
    // The exponent may be negative: the byte keeps its low bits.
    const int e = largest > 0 ? (rounded_exponent(largest) + 125) & 0xff : 0;
    ByteWriter block(out);
    block.put(e);
    for (int i = 0; i < 16; ++i) {
      block.put(nearest_fp4(x[i], scale_of(e)) | (nearest_fp4(x[i + 16], scale_of(e)) << 4));
    }
  }
}

void decode_mxfp4(const std::byte* in, float* x, std::uint64_t elems) {
  for (std::uint64_t at = 0; at < elems; at += 32, x += 32, in += 17) {
    const float d = scale_of(byte_at(in, 0));
    for (std::size_t i = 0; i < 32; ++i) {
      const int pair = byte_at(in, 1 + i % 16);
      x[i] = fp4_value(i < 16 ? pair & 0xf : pair >> 4) * d;
    }
  }
}

}  // namespace qtz::reference
