// IQ4_XS: 256 elements as { f16 d; u16 upper two bits of eight scales; 4 bytes of their low nibbles; 128
// bytes of nibbles }; x ~ d * (scale - 32) * value[q] for each 32 elements, with IQ4_NL's sixteen values.
#include "reference/iq4_ref.h"
#include "reference/k_quant_ref.h"

namespace qtz::reference {
namespace {

struct Fits {
  float d;
  std::array<int, 8> scale;  ///< offset by 32
  Levels256 q;
};

Fits fit(const float* x, const float* importance) {
  Fits fits;
  std::array<float, 8> scale;
  float extreme = 0;
  const float doubled_mean_square = sum_of_squares(256, x) * (2.0F / 256);
  for (std::size_t sub = 0; sub < 8; ++sub) {
    const float* const weights = importance != nullptr ? importance + 32 * sub : nullptr;
    scale[sub] = search_iq4_scale(x + 32 * sub, weights, doubled_mean_square);
    if (std::fabs(scale[sub]) > std::fabs(extreme)) extreme = scale[sub];
  }
  // The levels are chosen for the unrounded d, as the authority does.
  fits.d = -extreme / 32;
  const float inverse = fits.d != 0 ? 1 / fits.d : 0.0F;
  for (std::size_t sub = 0; sub < 8; ++sub) {
    const int level = clamp(round_even(inverse * scale[sub]), -32, 31);
    const float step = fits.d * static_cast<float>(level);
    const float inverse_step = step != 0 ? 1 / step : 0.0F;
    for (std::size_t i = 32 * sub; i < 32 * sub + 32; ++i) fits.q[i] = nearest_iq4(inverse_step * x[i]);
    fits.scale[sub] = level + 32;
  }
  return fits;
}

}  // namespace

void encode_iq4_xs(const float* x, const float* importance, std::uint64_t rows, std::uint64_t cols,
                   std::byte* out) {
  for (std::uint64_t at = 0; at < rows * cols; at += 256, x += 256, out += 136) {
    const Fits fits = fit(x, importance != nullptr ? importance + at % cols : nullptr);
    int high = 0;
    for (std::size_t sub = 0; sub < 8; ++sub) high |= (fits.scale[sub] >> 4) << (2 * sub);
    ByteWriter block(out);
    block.put_f16(fits.d);
    block.put(high);
    block.put(high >> 8);
    for (std::size_t sub = 0; sub < 8; sub += 2)
      block.put((fits.scale[sub] & 0xf) | ((fits.scale[sub + 1] & 0xf) << 4));
    for (std::size_t sub = 0; sub < 8; ++sub) put_iq4_levels(block, fits.q.data() + 32 * sub);
  }
}

void decode_iq4_xs(const std::byte* in, float* x, std::uint64_t elems) {
  for (std::uint64_t at = 0; at < elems; at += 256, x += 256, in += 136) {
    for (std::size_t i = 0; i < 256; ++i) {
      const std::size_t sub = i / 32;
      const int low = byte_at(in, 4 + sub / 2) >> (4 * (sub % 2));
      const int high = byte_at(in, 2 + sub / 4) >> (2 * (sub % 4));
      const int scale = ((low & 0xf) | ((high & 3) << 4)) - 32;
      x[i] = f16_at(in, 0) * static_cast<float>(scale) *
             static_cast<float>(iq4_value_at(in + 8 + 16 * sub, i % 32));
    }
  }
}

}  // namespace qtz::reference
