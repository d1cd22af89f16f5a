// Q4_1: 32 elements as { f16 d; f16 m; 16 bytes of nibbles }, x ~ d * q + m.
#include "reference/legacy_ref.h"
#include "reference/scale_search_ref.h"

namespace qtz::reference {
namespace {

struct Fit {
  float d;
  float m;
};

/// Smallest element to level 0, largest to level 15.
Fit plain_levels(const float* x, Levels32& q) {
  float low = x[0];
  float high = x[0];
  for (int i = 1; i < 32; ++i) {
    if (x[i] < low) low = x[i];
    if (x[i] > high) high = x[i];
  }
  const float d = (high - low) / 15;
  const float inverse = d != 0 ? 1 / d : 0.0F;
  for (std::size_t i = 0; i < 32; ++i) {
    const auto level = static_cast<std::int8_t>(low_byte(truncate((x[i] - low) * inverse + 0.5F)));
    q[i] = level > 15 ? 15 : level;
  }
  return {d, low};
}

Fit weighted_levels(const float* x, const float* weight, Levels32& q) {
  const AffineFit fit = search_affine(32, {15, -0.9F, 0.05F, 36, false}, x, weight, q.data());
  return {fit.scale, -fit.offset};
}

}  // namespace

void encode_q4_1(const float* x, const float* importance, std::uint64_t rows, std::uint64_t cols,
                 std::byte* out) {
  for (std::uint64_t row = 0; row < rows; ++row) {
    const float row_mean_square = mean_square(x, cols);
    for (std::uint64_t at = 0; at < cols; at += 32, x += 32, out += 20) {
      Levels32 q;
      const Fit fit = importance == nullptr
                          ? plain_levels(x, q)
                          : weighted_levels(x, legacy_weights(x, importance + at, row_mean_square).data(), q);
      ByteWriter block(out);
      block.put_f16(fit.d);
      block.put_f16(fit.m);
      put_low_nibbles(block, q);
    }
  }
}

void decode_q4_1(const std::byte* in, float* x, std::uint64_t elems) {
  for (std::uint64_t at = 0; at < elems; at += 32, x += 32, in += 20) {
    const Levels32 q = legacy_levels(in + 4, nullptr);
    for (std::size_t i = 0; i < 32; ++i) x[i] = static_cast<float>(q[i]) * f16_at(in, 0) + f16_at(in, 2);
  }
}

}  // namespace qtz::reference
