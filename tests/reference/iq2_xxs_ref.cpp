// IQ2_XXS: 256 elements as { f16 d; of each 32 elements four bytes of points of eight digits, then a word of
// four times seven signs and a 4-bit scale }; x ~ d * (2 scale + 1) / 8 * value[digit], values 8, 25, 43.
#include "reference/grid_ref.h"
#include "reference/k_quant_ref.h"
#include "reference/reference_list.h"

namespace qtz::reference {
namespace {

constexpr int kValues[] = {8, 25, 43};

}  // namespace

void encode_iq2_xxs(const float* x, const float* importance, std::uint64_t rows, std::uint64_t cols,
                    std::byte* out) {
  const GridSearch rules{grid_2_xxs(), 2, 32, true, 1e-15F, true, 6, 0.1F, GridSearch::Again::all};
  for (std::uint64_t at = 0; at < rows * cols; at += 256, x += 256, out += 66) {
    const auto weight = lifted_weights(x, importance != nullptr ? importance + at % cols : nullptr,
                                       sum_of_squares(256, x) / 256);
    const GridFit256 fit = search_grid(rules, x, weight.data());
    ByteWriter block(out);
    if (fit.largest == 0) {
      for (int i = 0; i < 66; ++i) block.put(0);
      continue;
    }
    const float d = fit.largest / 31;
    block.put_f16(d);
    for (std::size_t sub = 0; sub < 8; ++sub) {
      unsigned word = static_cast<unsigned>(odd_multiple(fit.scale[sub], 1 / d, 15)) << 28;
      for (std::size_t k = 0; k < 4; ++k) {
        block.put(fit.number[4 * sub + k]);
        word |= static_cast<unsigned>(fit.signs[4 * sub + k]) << (7 * k);
      }
      for (int byte = 0; byte < 4; ++byte) block.put(static_cast<int>((word >> (8 * byte)) & 0xff));
    }
  }
}

void decode_iq2_xxs(const std::byte* in, float* x, std::uint64_t elems) {
  for (std::uint64_t at = 0; at < elems; at += 256, x += 256, in += 66) {
    for (std::size_t i = 0; i < 256; ++i) {
      const std::size_t sub = 2 + 8 * (i / 32);
      unsigned word = 0;
      for (std::size_t byte = 0; byte < 4; ++byte) {
        word |= static_cast<unsigned>(byte_at(in, sub + 4 + byte)) << (8 * byte);
      }
      const float scale = f16_at(in, 0) * (0.5F + static_cast<float>(word >> 28)) * 0.25F;
      const int value = kValues[grid_2_xxs().point(byte_at(in, sub + i % 32 / 8))[i % 8]];
      const int signs = with_eighth_sign(static_cast<int>(word >> (7 * (i % 32 / 8))) & 0x7f);
      x[i] = scale * static_cast<float>(value) * (((signs >> (i % 8)) & 1) != 0 ? -1.0F : 1.0F);
    }
  }
}

}  // namespace qtz::reference
