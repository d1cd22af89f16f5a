// IQ3_S: 256 elements as { f16 d; 64 bytes of low bits of points of four digits; 8 bytes of their ninth bits;
// 32 bytes of signs; 4 bytes of two scales each }; x ~ d * (2 scale + 1) * (2 digit + 1).
//
// As in the authority, low bits and signs of a sub-block of zeros are left out instead of stored, and what
// follows moves up; what is missing at the end is 0.
#include "reference/grid_ref.h"
#include "reference/k_quant_ref.h"
#include "reference/reference_list.h"

namespace qtz::reference {
namespace {

bool all_zero(const float* x) {
  for (std::size_t i = 0; i < 32; ++i) {
    if (x[i] != 0) return false;
  }
  return true;
}

}  // namespace

void encode_iq3_s(const float* x, const float* importance, std::uint64_t rows, std::uint64_t cols,
                  std::byte* out) {
  const GridSearch rules{
      grid_3_s(), 7, 32, false, 0x1p-149F, false, 9, 0.2F, GridSearch::Again::all_if_any_off_grid};
  for (std::uint64_t at = 0; at < rows * cols; at += 256, x += 256, out += 110) {
    std::array<float, 256> weight;
    for (std::size_t i = 0; i < 256; ++i) weight[i] = x[i] * x[i];
    if (importance != nullptr) {
      weight = lifted_weights(x, importance + at % cols, 2 * sum_of_squares(256, x) / 256);
    }
    const GridFit256 fit = search_grid(rules, x, weight.data());
    std::vector<int> low, signs;
    for (std::size_t sub = 0; sub < 8; ++sub) {
      if (all_zero(x + 32 * sub)) continue;
      for (std::size_t k = 8 * sub; k < 8 * sub + 8; ++k) low.push_back(fit.number[k]);
      for (std::size_t k = 4 * sub; k < 4 * sub + 4; ++k) signs.push_back(fit.signs[k]);
    }
    low.resize(64);
    signs.resize(32);
    const float d = fit.largest / 31;
    ByteWriter block(out);
    block.put_f16(fit.largest == 0 ? 0 : d * 1.033F);
    for (const int each : low) block.put(each);
    for (std::size_t sub = 0; sub < 8; ++sub) {
      int high = 0;
      for (std::size_t k = 0; k < 8; ++k) high |= (fit.number[8 * sub + k] >> 8) << k;
      block.put(high);
    }
    for (const int each : signs) block.put(each);
    for (std::size_t sub = 0; sub < 8; sub += 2) {
      const int scales =
          odd_multiple(fit.scale[sub], 1 / d, 15) | (odd_multiple(fit.scale[sub + 1], 1 / d, 15) << 4);
      block.put(fit.largest == 0 ? 0 : scales);
    }
  }
}

void decode_iq3_s(const std::byte* in, float* x, std::uint64_t elems) {
  for (std::uint64_t at = 0; at < elems; at += 256, x += 256, in += 110) {
    for (std::size_t i = 0; i < 256; ++i) {
      const int number = byte_at(in, 2 + i / 4) | ((byte_at(in, 66 + i / 32) >> (i / 4 % 8) & 1) << 8);
      const int scale = byte_at(in, 106 + i / 64) >> (i / 32 % 2 * 4) & 0xf;
      const int level = 2 * grid_3_s().point(number)[i % 4] + 1;
      const bool minus = ((byte_at(in, 74 + i / 8) >> (i % 8)) & 1) != 0;
      x[i] = f16_at(in, 0) * static_cast<float>(1 + 2 * scale) * static_cast<float>(minus ? -level : level);
    }
  }
}

}  // namespace qtz::reference
