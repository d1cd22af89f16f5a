#include "reference/iq4_ref.h"

namespace qtz::reference {
namespace {

constexpr int kSteps = 7;

struct Projection {
  float xq = 0;
  float qq = 0;
};

Projection project(const float* x, const float* weight, float inverse) {
  Projection sums;
  for (int i = 0; i < 32; ++i) {
    const auto q = static_cast<float>(kIq4Values[static_cast<std::size_t>(nearest_iq4(inverse * x[i]))]);
    sums.xq += weight[i] * q * x[i];
    sums.qq += weight[i] * q * q;
  }
  return sums;
}

}  // namespace

int nearest_iq4(float x) {
  const auto value = [](int index) {
    return static_cast<float>(kIq4Values[static_cast<std::size_t>(index)]);
  };
  if (x <= value(0)) return 0;
  if (x >= value(15)) return 15;
  int upper = 1;
  while (upper < 15 && !(x < value(upper))) ++upper;
  return x - value(upper - 1) < value(upper) - x ? upper - 1 : upper;
}

float search_iq4_scale(const float* x, const float* importance, float doubled_mean_square) {
  std::array<float, 32> weight;
  float extreme = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    weight[i] =
        importance == nullptr ? x[i] * x[i] : importance[i] * std::sqrt(doubled_mean_square + x[i] * x[i]);
    if (std::fabs(x[i]) > std::fabs(extreme)) extreme = x[i];
  }
  if (std::fabs(extreme) < 1e-15F) return 0;
  const auto first = static_cast<float>(kIq4Values[0]);
  const Projection full = project(x, weight.data(), 1 / (-extreme / first));
  float scale = full.qq > 0 ? full.xq / full.qq : 0.0F;
  float best = scale * full.xq;
  for (int step = -kSteps; step <= kSteps; ++step) {
    const Projection sums = project(x, weight.data(), static_cast<float>(step + kIq4Values[0]) / extreme);
    if (sums.qq > 0 && sums.xq * sums.xq > best * sums.qq) {
      scale = sums.xq / sums.qq;
      best = scale * sums.xq;
    }
  }
  return scale;
}

void put_iq4_levels(ByteWriter& block, const int* q) {
  for (int i = 0; i < 16; ++i) block.put(q[i] | (q[i + 16] << 4));
}

int iq4_value_at(const std::byte* in, std::size_t element) {
  const int pair = byte_at(in, element % 16);
  return kIq4Values[static_cast<std::size_t>(element < 16 ? pair & 0xf : pair >> 4)];
}

}  // namespace qtz::reference
