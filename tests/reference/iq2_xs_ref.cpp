// IQ2_XS: 256 elements as { f16 d; 32 words of 16 bits, each a point of eight digits and seven signs; 8 bytes
// of two scales each }; x ~ d * (2 scale + 1) / 8 * value[digit] for each 16 elements, values 8, 25, 43.
#include "reference/grid_ref.h"
#include "reference/k_quant_ref.h"
#include "reference/reference_list.h"

namespace qtz::reference {
namespace {

constexpr int kValues[] = {8, 25, 43};

}  // namespace

void encode_iq2_xs(const float* x, const float* importance, std::uint64_t rows, std::uint64_t cols,
                   std::byte* out) {
  const GridSearch rules{grid_2_xs(), 2, 16, true, 1e-15F, false, 9, 0.1F, GridSearch::Again::off_grid};
  for (std::uint64_t at = 0; at < rows * cols; at += 256, x += 256, out += 74) {
    const auto weight = lifted_weights(x, importance != nullptr ? importance + at % cols : nullptr,
                                       sum_of_squares(256, x) / 256);
    const GridFit256 fit = search_grid(rules, x, weight.data());
    ByteWriter block(out);
    if (fit.largest == 0) {
      for (int i = 0; i < 74; ++i) block.put(0);
      continue;
    }
    const float d = fit.largest / 31;
    block.put_f16(d);
    for (std::size_t k = 0; k < 32; ++k) {
      const int word = fit.number[k] | (fit.signs[k] << 9);
      block.put(word & 0xff);
      block.put(word >> 8);
    }
    for (std::size_t sub = 0; sub < 16; sub += 2) {
      block.put(odd_multiple(fit.scale[sub], 1 / d, 15) | (odd_multiple(fit.scale[sub + 1], 1 / d, 15) << 4));
    }
  }
}

void decode_iq2_xs(const std::byte* in, float* x, std::uint64_t elems) {
  for (std::uint64_t at = 0; at < elems; at += 256, x += 256, in += 74) {
    for (std::size_t i = 0; i < 256; ++i) {
      const int word = byte_at(in, 2 + i / 8 * 2) | (byte_at(in, 3 + i / 8 * 2) << 8);
      const int level = byte_at(in, 66 + i / 32) >> (i / 16 % 2 * 4) & 0xf;
      const float scale = f16_at(in, 0) * (0.5F + static_cast<float>(level)) * 0.25F;
      const int value = kValues[grid_2_xs().point(word & 511)[i % 8]];
      const int signs = with_eighth_sign(word >> 9);
      x[i] = scale * static_cast<float>(value) * (((signs >> (i % 8)) & 1) != 0 ? -1.0F : 1.0F);
    }
  }
}

}  // namespace qtz::reference
