#include "reference/k_quant_ref.h"

#include <algorithm>

namespace qtz::reference {
namespace {

ScalePairs fit_plain(const AffineGrid& grid, const float* x, SubBlockFits& fits) {
  ScalePairs pairs;
  std::array<float, 8> scale;
  std::array<float, 8> offset;
  float largest_scale = 0;
  float largest_offset = 0;
  for (std::size_t sub = 0; sub < 8; ++sub) {
    const float* const part = x + 32 * sub;
    const float mean = std::sqrt(sum_of_squares(32, part) / 32);
    std::array<float, 32> weight;
    for (std::size_t i = 0; i < 32; ++i) weight[i] = mean + std::fabs(part[i]);
    const AffineFit fit = search_affine(32, grid, part, weight.data(), fits.q.data() + 32 * sub);
    scale[sub] = fit.scale;
    offset[sub] = fit.offset;
    if (fit.scale > largest_scale) largest_scale = fit.scale;
    if (fit.offset > largest_offset) largest_offset = fit.offset;
  }
  const float inverse_scale = largest_scale > 0 ? 63.0F / largest_scale : 0.0F;
  const float inverse_offset = largest_offset > 0 ? 63.0F / largest_offset : 0.0F;
  for (std::size_t sub = 0; sub < 8; ++sub) {
    pairs.scale[sub] = std::min<int>(63, low_byte(round_even(inverse_scale * scale[sub])));
    pairs.offset[sub] = std::min<int>(63, low_byte(round_even(inverse_offset * offset[sub])));
  }
  fits.d = largest_scale / 63.0F;
  fits.dmin = largest_offset / 63.0F;
  return pairs;
}

ScalePairs fit_weighted(int levels, const float* x, const float* importance, SubBlockFits& fits) {
  ScalePairs pairs;
  const float doubled_mean_square = 2 * sum_of_squares(256, x) / 256;
  std::array<float, 8> scale;
  std::array<float, 8> offset;
  std::array<float, 8> total_weight;
  for (std::size_t sub = 0; sub < 8; ++sub) {
    const float* const part = x + 32 * sub;
    std::array<float, 32> weight;
    float total = 0;
    for (std::size_t i = 0; i < 32; ++i) {
      weight[i] = importance[32 * sub + i] * std::sqrt(doubled_mean_square + part[i] * part[i]);
      total += weight[i];
    }
    const AffineGrid grid{levels, -0.9F, 0.05F, 36, false};
    const AffineFit fit = search_affine(32, grid, part, weight.data(), fits.q.data() + 32 * sub);
    scale[sub] = fit.scale;
    offset[sub] = fit.offset;
    total_weight[sub] = total;
  }
  fits.d = search_positive_scale(8, 63, scale.data(), total_weight.data(), pairs.scale.data());
  fits.dmin = search_positive_scale(8, 63, offset.data(), total_weight.data(), pairs.offset.data());
  return pairs;
}

}  // namespace

float sum_of_squares(int n, const float* x) {
  float sum = 0;
  for (int i = 0; i < n; ++i) sum += x[i] * x[i];
  return sum;
}

void requantize_affine(int n, int levels, const float* x, float scale, float offset, int* q) {
  if (scale == 0) return;
  for (int i = 0; i < n; ++i) q[i] = clamp(round_even((x[i] + offset) / scale), 0, levels);
}

void requantize_signed(int n, int levels, const float* x, float scale, int* q) {
  if (scale == 0) return;
  for (int i = 0; i < n; ++i) q[i] = levels + clamp(round_even(x[i] / scale), -levels, levels - 1);
}

std::array<std::byte, 12> pack_scale_pairs(const ScalePairs& pairs) {
  const auto& s = pairs.scale;
  const auto& o = pairs.offset;
  std::array<std::byte, 12> packed;
  ByteWriter block(packed.data());
  for (std::size_t i = 0; i < 4; ++i) block.put(s[i] | ((s[i + 4] >> 4) << 6));
  for (std::size_t i = 0; i < 4; ++i) block.put(o[i] | ((o[i + 4] >> 4) << 6));
  for (std::size_t i = 4; i < 8; ++i) block.put((s[i] & 0xf) | ((o[i] & 0xf) << 4));
  return packed;
}

ScalePairs scale_pairs_at(const std::byte* in) {
  ScalePairs pairs;
  for (std::size_t i = 0; i < 4; ++i) {
    pairs.scale[i] = byte_at(in, i) & 63;
    pairs.offset[i] = byte_at(in, i + 4) & 63;
    pairs.scale[i + 4] = (byte_at(in, i + 8) & 0xf) | ((byte_at(in, i) >> 6) << 4);
    pairs.offset[i + 4] = (byte_at(in, i + 8) >> 4) | ((byte_at(in, i + 4) >> 6) << 4);
  }
  return pairs;
}

void put_two_bit_levels(ByteWriter& block, const Levels256& q) {
  for (std::size_t half = 0; half < 256; half += 128) {
    for (std::size_t l = half; l < half + 32; ++l) {
      block.put(q[l] | (q[l + 32] << 2) | (q[l + 64] << 4) | (q[l + 96] << 6));
    }
  }
}

int two_bit_level(const std::byte* in, std::size_t element) {
  const std::size_t half = element / 128;
  const std::size_t within = element % 128;
  return (byte_at(in, 32 * half + within % 32) >> (2 * (within / 32))) & 3;
}

SubBlockFits fit_eight_sub_blocks(const AffineGrid& plain, bool cap_weighted_pairs, const float* x,
                                  const float* importance) {
  SubBlockFits fits;
  ScalePairs pairs =
      importance == nullptr ? fit_plain(plain, x, fits) : fit_weighted(plain.levels, x, importance, fits);
  if (importance != nullptr && cap_weighted_pairs) {
    for (int& level : pairs.scale) level = std::min(level, 63);
    for (int& level : pairs.offset) level = std::min(level, 63);
  }
  fits.pairs = pack_scale_pairs(pairs);
  const ScalePairs kept = scale_pairs_at(fits.pairs.data());
  for (std::size_t sub = 0; sub < 8; ++sub) {
    const float scale = through_f16(fits.d) * static_cast<float>(kept.scale[sub]);
    const float offset = through_f16(fits.dmin) * static_cast<float>(kept.offset[sub]);
    requantize_affine(32, plain.levels, x + 32 * sub, scale, offset, fits.q.data() + 32 * sub);
  }
  return fits;
}

}  // namespace qtz::reference
