// IQ1_S: 256 elements as { f16 d; 32 bytes of low bits of points of eight digits; 8 words of 16 bits, for
// each 32 elements four times three upper bits, a 3-bit scale and a bit for the shift down }; x ~ d * (2
// scale + 1) * (digit - 1 +- 1 / 8).
#include "reference/iq1_ref.h"
#include "reference/k_quant_ref.h"
#include "reference/reference_list.h"

namespace qtz::reference {
namespace {

struct Sub {
  float scale = 0;
  bool down = false;
  std::vector<int> numbers = std::vector<int>(4);
};

/// The sum over a run of sorted elements, as the difference of two prefix sums.
float run(const std::vector<float>& prefix, int from, int to) {
  return prefix[static_cast<std::size_t>(to)] - prefix[static_cast<std::size_t>(from)];
}

Boundaries search(const std::vector<int>& order, const float* x, const float* weight) {
  std::vector<float> xs{0};
  std::vector<float> ws{0};
  for (const int i : order) {
    xs.push_back(xs.back() + weight[i] * x[i]);
    ws.push_back(ws.back() + weight[i]);
  }
  Boundaries found;
  for (int low = 0; low <= 32; ++low) {
    for (int high = low; high <= 32; ++high) {
      for (const bool down : {false, true}) {
        const float* q = iq1_values(down);
        const float qx = run(xs, 0, low) * q[0] + run(xs, low, high) * q[1] + run(xs, high, 32) * q[2];
        const float qq = run(ws, 0, low) * q[0] * q[0] + run(ws, low, high) * q[1] * q[1] +
                         run(ws, high, 32) * q[2] * q[2];
        found.offer(qx, qq, low, high, down ? 1 : 0);
      }
    }
  }
  return found;
}

Sub fit(const float* x, const float* weight) {
  Sub sub;
  float size = 0;
  for (int i = 0; i < 32; ++i) size = std::max(size, std::fabs(x[i]));
  if (size < 1e-12F) return sub;
  const std::vector<int> order = ascending(32, x);
  const Boundaries found = search(order, x, weight);
  if (found.choice < 0) return sub;
  sub.down = (found.choice == 1) != (found.scale < 0);
  sub.scale = found.scale < 0 ? -found.scale : found.scale;
  sub.numbers = move_to_grid(digits_of(found, order), x, weight, std::vector<bool>(4, sub.down), sub.scale);
  return sub;
}

}  // namespace

void encode_iq1_s(const float* x, const float* importance, std::uint64_t rows, std::uint64_t cols,
                  std::byte* out) {
  for (std::uint64_t at = 0; at < rows * cols; at += 256, x += 256, out += 50) {
    const auto weight = lifted_weights(x, importance != nullptr ? importance + at % cols : nullptr,
                                       2 * sum_of_squares(256, x) / 256);
    std::vector<Sub> subs;
    float largest = 0;
    for (std::size_t first = 0; first < 256; first += 32) {
      subs.push_back(fit(x + first, weight.data() + first));
      largest = largest > subs.back().scale ? largest : subs.back().scale;
    }
    const float d = largest / 15;
    ByteWriter block(out);
    block.put_f16(largest == 0 ? 0 : d * 1.125F);
    for (const Sub& sub : subs) {
      for (const int number : sub.numbers) block.put(number & 0xff);
    }
    for (const Sub& sub : subs) {
      int word = 0;
      for (std::size_t k = 0; k < 4; ++k) word |= (sub.numbers[k] >> 8) << (3 * k);
      if (largest != 0) word |= (odd_multiple(sub.scale, 1 / d, 7) | (sub.down ? 8 : 0)) << 12;
      block.put(word & 0xff);
      block.put(word >> 8);
    }
  }
}

void decode_iq1_s(const std::byte* in, float* x, std::uint64_t elems) {
  for (std::uint64_t at = 0; at < elems; at += 256, x += 256, in += 50) {
    for (std::size_t i = 0; i < 256; ++i) {
      const int word = byte_at(in, 34 + i / 32 * 2) | (byte_at(in, 35 + i / 32 * 2) << 8);
      const int number = byte_at(in, 2 + i / 8) | ((word >> (3 * (i / 8 % 4)) & 7) << 8);
      const float scale = f16_at(in, 0) * static_cast<float>(2 * (word >> 12 & 7) + 1);
      x[i] = scale * iq1_values((word & 0x8000) != 0)[grid_1().point(number)[i % 8]];
    }
  }
}

}  // namespace qtz::reference
