// Q6_K: 256 elements as { 128 bytes of lower nibbles; 64 bytes of upper two bits; int8 scale[16]; f16 d };
// x ~ d * scale * (q - 32) for each 16 elements. In each half of 128: byte l of 64 holds the nibbles of
// elements l and l + 64; byte l of 32 the upper bits of elements l, l + 32, l + 64, l + 96.
#include "reference/k_quant_ref.h"

namespace qtz::reference {
namespace {

constexpr float kAllButZero = 1e-15F;

struct Fits {
  float d = 0;
  std::array<int, 16> scale{};
  Levels256 q{};
};

Fits fit(const float* x, const float* importance) {
  Fits fits;
  std::array<float, 16> scale;
  float extreme = 0;
  for (std::size_t sub = 0; sub < 16; ++sub) {
    const float* const weight = importance != nullptr ? importance + 16 * sub : nullptr;
    scale[sub] = search_signed_scale(16, 32, x + 16 * sub, weight, fits.q.data() + 16 * sub);
    if (std::fabs(scale[sub]) > std::fabs(extreme)) extreme = scale[sub];
  }
  if (std::fabs(extreme) < kAllButZero) return {};
  const float inverse = -128.0F / extreme;
  fits.d = 1 / inverse;
  for (std::size_t sub = 0; sub < 16; ++sub) {
    const int level = round_even(inverse * scale[sub]);
    fits.scale[sub] = static_cast<std::int8_t>(low_byte(level > 127 ? 127 : level));
    requantize_signed(16, 32, x + 16 * sub, through_f16(fits.d) * static_cast<float>(fits.scale[sub]),
                      fits.q.data() + 16 * sub);
  }
  return fits;
}

}  // namespace

void encode_q6_k(const float* x, const float* importance, std::uint64_t rows, std::uint64_t cols,
                 std::byte* out) {
  for (std::uint64_t at = 0; at < rows * cols; at += 256, x += 256, out += 210) {
    const Fits fits = fit(x, importance != nullptr ? importance + at % cols : nullptr);
    const Levels256& q = fits.q;
    ByteWriter block(out);
    for (std::size_t half = 0; half < 256; half += 128) {
      for (std::size_t l = half; l < half + 64; ++l) block.put((q[l] & 0xf) | ((q[l + 64] & 0xf) << 4));
    }
    for (std::size_t half = 0; half < 256; half += 128) {
      for (std::size_t l = half; l < half + 32; ++l) {
        block.put((q[l] >> 4) | ((q[l + 32] >> 4) << 2) | ((q[l + 64] >> 4) << 4) | ((q[l + 96] >> 4) << 6));
      }
    }
    for (const int scale : fits.scale) block.put(scale);
    block.put_f16(fits.d);
  }
}

void decode_q6_k(const std::byte* in, float* x, std::uint64_t elems) {
  for (std::uint64_t at = 0; at < elems; at += 256, x += 256, in += 210) {
    for (std::size_t i = 0; i < 256; ++i) {
      const std::size_t half = i / 128;
      const std::size_t within = i % 128;
      const int low = byte_at(in, 64 * half + within % 64) >> (within < 64 ? 0 : 4);
      const int high = byte_at(in, 128 + 32 * half + within % 32) >> (2 * (within / 32));
      const int q = ((low & 0xf) | ((high & 3) << 4)) - 32;
      const auto scale = static_cast<std::int8_t>(byte_at(in, 192 + i / 16));
      x[i] = f16_at(in, 208) * static_cast<float>(scale) * static_cast<float>(q);
    }
  }
}

}  // namespace qtz::reference
