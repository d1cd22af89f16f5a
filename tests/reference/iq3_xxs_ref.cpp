// IQ3_XXS: 256 elements as { f16 d; 64 bytes of points of four digits; of each 32 elements a word of four
// times seven signs and a 4-bit scale }; x ~ d * (2 scale + 1) / 4 * value[digit], values 4, 12 .. 52, 62.
#include "reference/grid_ref.h"
#include "reference/k_quant_ref.h"
#include "reference/reference_list.h"

namespace qtz::reference {
namespace {

constexpr int kValues[] = {4, 12, 20, 28, 36, 44, 52, 62};

}  // namespace

void encode_iq3_xxs(const float* x, const float* importance, std::uint64_t rows, std::uint64_t cols,
                    std::byte* out) {
  const GridSearch rules{grid_3_xxs(), 7, 32, true, 1e-8F, false, 15, 0.2F, GridSearch::Again::off_grid};
  for (std::uint64_t at = 0; at < rows * cols; at += 256, x += 256, out += 98) {
    std::array<float, 256> weight;
    for (std::size_t i = 0; i < 256; ++i) weight[i] = x[i] * x[i];
    if (importance != nullptr) {
      weight = lifted_weights(x, importance + at % cols, 2 * sum_of_squares(256, x) / 256);
    }
    const GridFit256 fit = search_grid(rules, x, weight.data());
    ByteWriter block(out);
    if (fit.largest == 0) {
      for (int i = 0; i < 98; ++i) block.put(0);
      continue;
    }
    const float d = fit.largest / 31;
    block.put_f16(d * 1.0125F);
    for (const int number : fit.number) block.put(number);
    for (std::size_t sub = 0; sub < 8; ++sub) {
      unsigned word = static_cast<unsigned>(odd_multiple(fit.scale[sub], 1 / d, 15)) << 28;
      for (std::size_t k = 0; k < 4; ++k) word |= static_cast<unsigned>(fit.signs[4 * sub + k]) << (7 * k);
      for (int byte = 0; byte < 4; ++byte) block.put(static_cast<int>((word >> (8 * byte)) & 0xff));
    }
  }
}

void decode_iq3_xxs(const std::byte* in, float* x, std::uint64_t elems) {
  for (std::uint64_t at = 0; at < elems; at += 256, x += 256, in += 98) {
    for (std::size_t i = 0; i < 256; ++i) {
      unsigned word = 0;
      for (std::size_t byte = 0; byte < 4; ++byte) {
        word |= static_cast<unsigned>(byte_at(in, 66 + 4 * (i / 32) + byte)) << (8 * byte);
      }
      const float scale = f16_at(in, 0) * (0.5F + static_cast<float>(word >> 28)) * 0.5F;
      const int value = kValues[grid_3_xxs().point(byte_at(in, 2 + i / 4))[i % 4]];
      const int signs = with_eighth_sign(static_cast<int>(word >> (7 * (i % 32 / 8))) & 0x7f);
      x[i] = scale * static_cast<float>(value) * (((signs >> (i % 8)) & 1) != 0 ? -1.0F : 1.0F);
    }
  }
}

}  // namespace qtz::reference
