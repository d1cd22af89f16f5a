// NVFP4: 64 elements as { 4 E4M3 scales; 32 bytes of nibbles }, x ~ scale / 2 * value[q] with the doubled
// E2M1 values, for each 16 elements. Importance is ignored.
#include <algorithm>

#include "reference/fp4_ref.h"

namespace qtz::reference {
namespace {

/// The code of a scale >= 0: four bits of exponent (bias 7), three of mantissa.
int scale_code(float scale) {
  if (!(scale > 0)) return 0;
  int exponent = 0;
  std::frexp(scale, &exponent);
  --exponent;  // scale = 1.m * 2^exponent
  if (exponent < -6) return std::min(truncate(scale * 512 + 0.5F), 7);
  if (exponent >= 8) return 0x7e;
  // Halves up: eighths of the power of two, from 8 to 16.
  const int eighths =
      static_cast<int>(std::floor(std::ldexp(static_cast<double>(scale), 3 - exponent) + 0.5));
  const int code = (exponent + 7) * 8 + eighths - 8;
  return code >= 0x78 ? 0x7e : code;
}

/// Half the scale; the top bit means nothing, 0x7f stands for nothing.
float half_scale_of(int code) {
  if (code == 0x7f) return 0;
  const int exponent = (code >> 3) & 15, mantissa = code & 7;
  if (exponent == 0) return static_cast<float>(std::ldexp(mantissa, -10));
  return static_cast<float>(std::ldexp(8 + mantissa, exponent - 11));
}

}  // namespace

void encode_nvfp4(const float* x, const float* /*importance*/, std::uint64_t rows, std::uint64_t cols,
                  std::byte* out) {
  for (std::uint64_t at = 0; at < rows * cols; at += 64, out += 36) {
    ByteWriter scales(out), levels(out + 4);
    for (int sub = 0; sub < 4; ++sub, x += 16) {
      float largest = 0;
      for (int i = 0; i < 16; ++i) largest = std::max(largest, std::fabs(x[i]));
      const int code = scale_code(largest / 6);
      scales.put(code);
      const float d = half_scale_of(code);
      for (int i = 0; i < 8; ++i) levels.put(nearest_fp4(x[i], d) | (nearest_fp4(x[i + 8], d) << 4));
    }
  }
}

void decode_nvfp4(const std::byte* in, float* x, std::uint64_t elems) {
  for (std::uint64_t at = 0; at < elems; at += 64, x += 64, in += 36) {
    for (std::size_t i = 0; i < 64; ++i) {
      const std::size_t sub = i / 16;
      const int pair = byte_at(in, 4 + 8 * sub + i % 8);
      x[i] = fp4_value(i % 16 < 8 ? pair & 0xf : pair >> 4) * half_scale_of(byte_at(in, sub));
    }
  }
}

}  // namespace qtz::reference
