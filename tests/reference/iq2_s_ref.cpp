// IQ2_S: 256 elements as { f16 d; 32 bytes of low bits of points of eight digits; 32 bytes of signs; 8 bytes
// of the upper two bits of four points each; 8 bytes of two scales each }; x ~ d * (2 scale + 1) / 8 *
// value[digit] for each 16 elements, values 8, 25, 43.
#include "reference/grid_ref.h"
#include "reference/k_quant_ref.h"
#include "reference/reference_list.h"

namespace qtz::reference {
namespace {

constexpr int kValues[] = {8, 25, 43};

}  // namespace

void encode_iq2_s(const float* x, const float* importance, std::uint64_t rows, std::uint64_t cols,
                  std::byte* out) {
  const GridSearch rules{grid_2_s(), 2, 16, false, 1e-8F, false, 9, 0.1F, GridSearch::Again::off_grid};
  for (std::uint64_t at = 0; at < rows * cols; at += 256, x += 256, out += 82) {
    const float doubled_mean_square = 2 * sum_of_squares(256, x) / 256;
    std::array<float, 256> weight;
    for (std::size_t i = 0; i < 256; ++i) weight[i] = 0.25F * doubled_mean_square + x[i] * x[i];
    if (importance != nullptr) weight = lifted_weights(x, importance + at % cols, doubled_mean_square);
    const GridFit256 fit = search_grid(rules, x, weight.data());
    const bool empty = fit.largest == 0;
    const float d = fit.largest / 31;
    ByteWriter block(out);
    block.put_f16(empty ? 0 : d * 0.9875F);
    for (const int number : fit.number) block.put(number & 0xff);
    for (const int signs : fit.signs) block.put(signs);
    for (std::size_t k = 0; k < 32; k += 4) {
      int high = 0;
      for (std::size_t i = 0; i < 4; ++i) high |= (fit.number[k + i] >> 8) << (2 * i);
      block.put(high);
    }
    for (std::size_t sub = 0; sub < 16; sub += 2) {
      const int scales =
          odd_multiple(fit.scale[sub], 1 / d, 15) | (odd_multiple(fit.scale[sub + 1], 1 / d, 15) << 4);
      block.put(empty ? 0 : scales);
    }
  }
}

void decode_iq2_s(const std::byte* in, float* x, std::uint64_t elems) {
  for (std::uint64_t at = 0; at < elems; at += 256, x += 256, in += 82) {
    for (std::size_t i = 0; i < 256; ++i) {
      const int high = byte_at(in, 66 + i / 32) >> (i / 8 % 4 * 2) & 3;
      const int level = byte_at(in, 74 + i / 32) >> (i / 16 % 2 * 4) & 0xf;
      const float scale = f16_at(in, 0) * (0.5F + static_cast<float>(level)) * 0.25F;
      const int value = kValues[grid_2_s().point(byte_at(in, 2 + i / 8) | (high << 8))[i % 8]];
      const int signs = byte_at(in, 34 + i / 8);
      x[i] = scale * static_cast<float>(value) * (((signs >> (i % 8)) & 1) != 0 ? -1.0F : 1.0F);
    }
  }
}

}  // namespace qtz::reference
