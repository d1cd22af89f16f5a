// Q4_K: 256 elements as { f16 d; f16 dmin; 12 bytes of eight 6-bit (scale, offset) pairs; 128 bytes of
// nibbles }; x ~ d * scale * q - dmin * offset for each 32 elements.
#include "reference/k_quant_ref.h"

namespace qtz::reference {

void encode_q4_k(const float* x, const float* importance, std::uint64_t rows, std::uint64_t cols,
                 std::byte* out) {
  for (std::uint64_t at = 0; at < rows * cols; at += 256, x += 256, out += 144) {
    const float* const weights = importance != nullptr ? importance + at % cols : nullptr;
    const SubBlockFits fits = fit_eight_sub_blocks({15, -1.0F, 0.1F, 20, false}, false, x, weights);
    ByteWriter block(out);
    block.put_f16(fits.d);
    block.put_f16(fits.dmin);
    for (const std::byte pair : fits.pairs) block.put(std::to_integer<int>(pair));
    for (std::size_t group = 0; group < 256; group += 64) {
      for (std::size_t l = group; l < group + 32; ++l) block.put(fits.q[l] | (fits.q[l + 32] << 4));
    }
  }
}

void decode_q4_k(const std::byte* in, float* x, std::uint64_t elems) {
  for (std::uint64_t at = 0; at < elems; at += 256, x += 256, in += 144) {
    const ScalePairs pairs = scale_pairs_at(in + 4);
    for (std::size_t i = 0; i < 256; ++i) {
      const int pair = byte_at(in, 16 + 32 * (i / 64) + i % 32);
      const int q = i % 64 < 32 ? pair & 0xf : pair >> 4;
      const float scale = f16_at(in, 0) * static_cast<float>(pairs.scale[i / 32]);
      const float offset = f16_at(in, 2) * static_cast<float>(pairs.offset[i / 32]);
      x[i] = scale * static_cast<float>(q) - offset;
    }
  }
}

}  // namespace qtz::reference
