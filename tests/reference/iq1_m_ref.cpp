// IQ1_M: 256 elements as { 32 bytes of low bits of points of eight digits; 16 bytes, for each 16 elements two
// nibbles of three upper bits and a bit for the shift down; 4 words of 16 bits of four 3-bit scales and a
// nibble of d as f16 each }; x ~ d * (2 scale + 1) * (digit - 1 +- 1 / 8).
#include "reference/iq1_ref.h"
#include "reference/k_quant_ref.h"
#include "reference/reference_list.h"

namespace qtz::reference {
namespace {

struct Sub {
  float scale = 0;
  std::vector<bool> down = std::vector<bool>(2);
  std::vector<int> numbers = std::vector<int>(2);
};

/// Of four choices: bit 1 is the first eight elements' shift, bit 0 the others'.
bool is_down(int choice, int element) {
  return (choice >> (element < 8 ? 1 : 0) & 1) != 0;
}

Boundaries search(const std::vector<int>& order, const float* x, const float* weight) {
  Boundaries found;
  for (int low = 0; low <= 16; ++low) {
    for (int high = low; high <= 16; ++high) {
      for (int choice = 0; choice < 4; ++choice) {
        float qx = 0;
        float qq = 0;
        for (int place = 0; place < 16; ++place) {
          const int i = order[static_cast<std::size_t>(place)];
          const float q = iq1_values(is_down(choice, i))[place < low ? 0 : place < high ? 1 : 2];
          qx += weight[i] * q * x[i];
          qq += weight[i] * q * q;
        }
        found.offer(qx, qq, low, high, choice);
      }
    }
  }
  return found;
}

Sub fit(const float* x, const float* weight) {
  Sub sub;
  float size = 0;
  for (int i = 0; i < 16; ++i) size = std::max(size, std::fabs(x[i]));
  if (size < 1e-7F) return sub;
  const std::vector<int> order = ascending(16, x);
  const Boundaries found = search(order, x, weight);
  if (found.choice < 0) return sub;
  const int choice = found.scale < 0 ? 3 - found.choice : found.choice;
  sub.down = {is_down(choice, 0), is_down(choice, 8)};
  sub.scale = found.scale < 0 ? -found.scale : found.scale;
  sub.numbers = move_to_grid(digits_of(found, order), x, weight, sub.down, sub.scale);
  return sub;
}

}  // namespace

void encode_iq1_m(const float* x, const float* importance, std::uint64_t rows, std::uint64_t cols,
                  std::byte* out) {
  for (std::uint64_t at = 0; at < rows * cols; at += 256, x += 256, out += 56) {
    std::array<float, 256> weight;
    for (std::size_t i = 0; i < 256; ++i) weight[i] = x[i] * x[i];
    if (importance != nullptr) {
      weight = lifted_weights(x, importance + at % cols, 2 * sum_of_squares(256, x) / 256);
    }
    std::vector<Sub> subs;
    float largest = 0;
    for (std::size_t first = 0; first < 256; first += 16) {
      subs.push_back(fit(x + first, weight.data() + first));
      largest = largest > subs.back().scale ? largest : subs.back().scale;
    }
    std::array<int, 16> levels{};
    float d = largest / 15;
    float qx = 0;
    float qq = 0;
    for (std::size_t i = 0; i < 256; ++i) {
      const Sub& sub = subs[i / 16];
      levels[i / 16] = odd_multiple(sub.scale, 1 / d, 7);
      const std::size_t half = i / 8 % 2;
      const float q = iq1_values(sub.down[half])[grid_1().point(sub.numbers[half])[i % 8]] *
                      static_cast<float>(2 * levels[i / 16] + 1);
      qx += weight[i] * q * x[i];
      qq += weight[i] * q * q;
    }
    if (qq > 0) d = qx / qq;
    const bool empty = largest == 0;
    const std::uint16_t code = empty ? 0 : f32_to_f16(d * 1.1125F);

    ByteWriter block(out);
    for (const Sub& sub : subs) {
      for (const int number : sub.numbers) block.put(number & 0xff);
    }
    for (const Sub& sub : subs) {
      int byte = (sub.numbers[0] >> 8) | ((sub.numbers[1] >> 8) << 4);
      if (!empty) byte |= (sub.down[0] ? 0x08 : 0) | (sub.down[1] ? 0x80 : 0);
      block.put(byte);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      int word = ((code >> (4 * k)) & 0xf) << 12;
      for (std::size_t i = 0; i < 4; ++i) word |= empty ? 0 : levels[4 * k + i] << (3 * i);
      block.put(word & 0xff);
      block.put(word >> 8);
    }
  }
}

void decode_iq1_m(const std::byte* in, float* x, std::uint64_t elems) {
  for (std::uint64_t at = 0; at < elems; at += 256, x += 256, in += 56) {
    std::array<int, 4> words;
    int code = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      words[k] = byte_at(in, 48 + 2 * k) | (byte_at(in, 49 + 2 * k) << 8);
      code |= (words[k] >> 12) << (4 * k);
    }
    for (std::size_t i = 0; i < 256; ++i) {
      const int nibble = byte_at(in, 32 + i / 16) >> (i / 8 % 2 * 4);
      const int number = byte_at(in, i / 8) | ((nibble & 7) << 8);
      const int level = words[i / 64] >> (3 * (i / 16 % 4)) & 7;
      const float scale = f16_to_f32(static_cast<std::uint16_t>(code)) * static_cast<float>(2 * level + 1);
      x[i] = scale * iq1_values((nibble & 8) != 0)[grid_1().point(number)[i % 8]];
    }
  }
}

}  // namespace qtz::reference
