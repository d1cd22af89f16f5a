#include "reference/legacy_ref.h"

namespace qtz::reference {

float mean_square(const float* x, std::uint64_t count) {
  float sum = 0;
  for (std::uint64_t i = 0; i < count; ++i) sum += x[i] * x[i];
  return sum / static_cast<float>(count);
}

std::array<float, 32> legacy_weights(const float* x, const float* importance, float row_mean_square) {
  std::array<float, 32> weight;
  for (std::size_t i = 0; i < 32; ++i) weight[i] = importance[i] * std::sqrt(row_mean_square + x[i] * x[i]);
  return weight;
}

void put_low_nibbles(ByteWriter& block, const Levels32& q) {
  for (std::size_t i = 0; i < 16; ++i) block.put((q[i] & 0xf) | ((q[i + 16] & 0xf) << 4));
}

void put_fifth_bits(ByteWriter& block, const Levels32& q) {
  for (std::size_t byte = 0; byte < 4; ++byte) {
    int bits = 0;
    for (std::size_t i = 0; i < 8; ++i) bits |= ((q[8 * byte + i] >> 4) & 1) << i;
    block.put(bits);
  }
}

Levels32 legacy_levels(const std::byte* nibbles, const std::byte* fifth_bits) {
  Levels32 q;
  for (std::size_t i = 0; i < 32; ++i) {
    const int pair = byte_at(nibbles, i % 16);
    q[i] = i < 16 ? pair & 0xf : pair >> 4;
    if (fifth_bits != nullptr) q[i] |= ((byte_at(fifth_bits, i / 8) >> (i % 8)) & 1) << 4;
  }
  return q;
}

}  // namespace qtz::reference
