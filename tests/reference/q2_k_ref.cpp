// Q2_K: 256 elements as { 16 bytes, each a 4-bit scale and a 4-bit offset; 64 bytes of 2-bit levels; f16 d;
// f16 dmin }; x ~ d * scale * q - dmin * offset for each 16 elements.
#include "reference/k_quant_ref.h"

namespace qtz::reference {
namespace {

struct Fits {
  float d = 0;
  float dmin = 0;
  std::array<int, 16> scales{};  ///< packed: scale in the low nibble, offset in the high one
  Levels256 q;
};

void fit_plain(const float* x, Fits& fits) {
  std::array<float, 16> scale;
  std::array<float, 16> offset;
  float largest_scale = 0;
  float largest_offset = 0;
  for (std::size_t sub = 0; sub < 16; ++sub) {
    std::array<float, 16> weight;
    for (std::size_t i = 0; i < 16; ++i) weight[i] = std::fabs(x[16 * sub + i]);
    const AffineGrid grid{3, -0.5F, 0.1F, 15, true};
    const AffineFit fit = search_affine(16, grid, x + 16 * sub, weight.data(), fits.q.data() + 16 * sub);
    scale[sub] = fit.scale;
    offset[sub] = fit.offset;
    if (fit.scale > largest_scale) largest_scale = fit.scale;
    if (fit.offset > largest_offset) largest_offset = fit.offset;
  }
  if (largest_scale > 0) {
    for (std::size_t sub = 0; sub < 16; ++sub) {
      fits.scales[sub] = low_byte(round_even(15.0F / largest_scale * scale[sub]));
    }
    fits.d = largest_scale / 15.0F;
  }
  if (largest_offset > 0) {
    for (std::size_t sub = 0; sub < 16; ++sub) {
      fits.scales[sub] |= low_byte(round_even(15.0F / largest_offset * offset[sub]) * 16);
    }
    fits.dmin = largest_offset / 15.0F;
  }
}

void fit_weighted(const float* x, const float* importance, Fits& fits) {
  const float mean_square = sum_of_squares(256, x) / 256;
  std::array<float, 16> scale;
  std::array<float, 16> offset;
  std::array<float, 16> total_weight{};
  for (std::size_t sub = 0; sub < 16; ++sub) {
    std::array<float, 16> weight;
    for (std::size_t i = 0; i < 16; ++i) {
      const float value = x[16 * sub + i];
      weight[i] = importance[16 * sub + i] * std::sqrt(mean_square + value * value);
      total_weight[sub] += weight[i];
    }
    const AffineGrid grid{3, -0.9F, 0.05F, 36, false};
    const AffineFit fit = search_affine(16, grid, x + 16 * sub, weight.data(), fits.q.data() + 16 * sub);
    scale[sub] = fit.scale;
    offset[sub] = fit.offset;
  }
  std::array<int, 16> scale_level;
  std::array<int, 16> offset_level;
  fits.d = search_positive_scale(16, 15, scale.data(), total_weight.data(), scale_level.data());
  fits.dmin = search_positive_scale(16, 15, offset.data(), total_weight.data(), offset_level.data());
  for (std::size_t sub = 0; sub < 16; ++sub)
    fits.scales[sub] = low_byte(scale_level[sub] | (offset_level[sub] << 4));
}

}  // namespace

void encode_q2_k(const float* x, const float* importance, std::uint64_t rows, std::uint64_t cols,
                 std::byte* out) {
  for (std::uint64_t at = 0; at < rows * cols; at += 256, x += 256, out += 84) {
    Fits fits;
    if (importance == nullptr) {
      fit_plain(x, fits);
    } else {
      fit_weighted(x, importance + at % cols, fits);
    }
    for (std::size_t sub = 0; sub < 16; ++sub) {
      requantize_affine(16, 3, x + 16 * sub, through_f16(fits.d) * static_cast<float>(fits.scales[sub] & 0xf),
                        through_f16(fits.dmin) * static_cast<float>(fits.scales[sub] >> 4),
                        fits.q.data() + 16 * sub);
    }
    ByteWriter block(out);
    for (const int scales : fits.scales) block.put(scales);
    put_two_bit_levels(block, fits.q);
    block.put_f16(fits.d);
    block.put_f16(fits.dmin);
  }
}

void decode_q2_k(const std::byte* in, float* x, std::uint64_t elems) {
  for (std::uint64_t at = 0; at < elems; at += 256, x += 256, in += 84) {
    for (std::size_t i = 0; i < 256; ++i) {
      const int scales = byte_at(in, i / 16);
      const float scale = f16_at(in, 80) * static_cast<float>(scales & 0xf);
      const float offset = f16_at(in, 82) * static_cast<float>(scales >> 4);
      x[i] = scale * static_cast<float>(two_bit_level(in + 16, i)) - offset;
    }
  }
}

}  // namespace qtz::reference
