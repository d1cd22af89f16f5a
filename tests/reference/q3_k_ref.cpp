// Q3_K: 256 elements as { 32 bytes of third bits; 64 bytes of lower two bits; 12 bytes of sixteen 6-bit
// scales; f16 d }; x ~ d * (scale - 32) * (q - 4) for each 16 elements. Bit s of third-bit byte l belongs to
// element 32 s + l. Scales 0..7 and 8..15 have their low nibbles in bytes 0..7; byte 8 + j holds the upper
// two bits of scales j, j + 4, j + 8, j + 12.
#include "reference/k_quant_ref.h"

namespace qtz::reference {
namespace {

struct Fits {
  float d = 0;
  std::array<int, 16> scale{};  ///< offset by 32
  Levels256 q;                  ///< offset by 4
};

void fit_plain(const float* x, Fits& fits) {
  std::array<float, 16> scale;
  float extreme = 0;
  for (std::size_t sub = 0; sub < 16; ++sub) {
    scale[sub] = descend_signed_scale(16, 4, x + 16 * sub, fits.q.data() + 16 * sub);
    if (std::fabs(scale[sub]) > std::fabs(extreme)) extreme = scale[sub];
  }
  if (extreme == 0) return;
  const float inverse = -32.0F / extreme;
  for (std::size_t sub = 0; sub < 16; ++sub) {
    const auto level = static_cast<std::int8_t>(low_byte(round_even(inverse * scale[sub])));
    fits.scale[sub] = clamp(level, -32, 31) + 32;
  }
  fits.d = 1 / inverse;
}

void fit_weighted(const float* x, const float* importance, Fits& fits) {
  const float doubled_mean_square = 2 * sum_of_squares(256, x) / 256;
  std::array<float, 16> scale;
  std::array<float, 16> total_weight{};
  for (std::size_t sub = 0; sub < 16; ++sub) {
    std::array<float, 16> weight;
    for (std::size_t i = 0; i < 16; ++i) {
      const float value = x[16 * sub + i];
      weight[i] = importance[16 * sub + i] * std::sqrt(doubled_mean_square + value * value);
      total_weight[sub] += weight[i];
    }
    scale[sub] = search_signed_scale(16, 4, x + 16 * sub, weight.data(), fits.q.data() + 16 * sub);
  }
  fits.d = search_signed_scale(16, 32, scale.data(), total_weight.data(), fits.scale.data());
}

}  // namespace

void encode_q3_k(const float* x, const float* importance, std::uint64_t rows, std::uint64_t cols,
                 std::byte* out) {
  for (std::uint64_t at = 0; at < rows * cols; at += 256, x += 256, out += 110) {
    Fits fits;
    if (importance == nullptr) {
      fit_plain(x, fits);
    } else {
      fit_weighted(x, importance + at % cols, fits);
    }
    for (std::size_t sub = 0; sub < 16; ++sub) {
      requantize_signed(16, 4, x + 16 * sub, through_f16(fits.d) * static_cast<float>(fits.scale[sub] - 32),
                        fits.q.data() + 16 * sub);
    }
    ByteWriter block(out);
    for (std::size_t l = 0; l < 32; ++l) {
      int bits = 0;
      for (std::size_t part = 0; part < 8; ++part) bits |= (fits.q[32 * part + l] >> 2) << part;
      block.put(bits);
    }
    Levels256 low = fits.q;
    for (int& q : low) q &= 3;
    put_two_bit_levels(block, low);
    const auto& s = fits.scale;
    for (std::size_t i = 0; i < 8; ++i) block.put((s[i] & 0xf) | ((s[i + 8] & 0xf) << 4));
    for (std::size_t i = 0; i < 4; ++i) {
      block.put((s[i] >> 4) | ((s[i + 4] >> 4) << 2) | ((s[i + 8] >> 4) << 4) | ((s[i + 12] >> 4) << 6));
    }
    block.put_f16(fits.d);
  }
}

void decode_q3_k(const std::byte* in, float* x, std::uint64_t elems) {
  for (std::uint64_t at = 0; at < elems; at += 256, x += 256, in += 110) {
    for (std::size_t i = 0; i < 256; ++i) {
      const std::size_t sub = i / 16;
      const int low = byte_at(in, 96 + sub % 8) >> (sub < 8 ? 0 : 4);
      const int high = byte_at(in, 104 + sub % 4) >> (2 * (sub / 4));
      const int scale = ((low & 0xf) | ((high & 3) << 4)) - 32;
      const int third = (byte_at(in, i % 32) >> (i / 32)) & 1;
      const int q = (two_bit_level(in + 32, i) | (third << 2)) - 4;
      x[i] = f16_at(in, 108) * static_cast<float>(scale) * static_cast<float>(q);
    }
  }
}

}  // namespace qtz::reference
