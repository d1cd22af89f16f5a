// Q5_0: 32 elements as { f16 d; 4 bytes of fifth bits; 16 bytes of nibbles }, x ~ d * (q - 16).
#include "reference/legacy_ref.h"
#include "reference/scale_search_ref.h"

namespace qtz::reference {
namespace {

/// The element of largest magnitude becomes exactly -16 * d.
float plain_levels(const float* x, Levels32& q) {
  float extreme = 0;
  for (int i = 0; i < 32; ++i) {
    if (std::fabs(x[i]) > std::fabs(extreme)) extreme = x[i];
  }
  const float d = extreme / -16;
  const float inverse = d != 0 ? 1 / d : 0.0F;
  for (std::size_t i = 0; i < 32; ++i) {
    const auto level = static_cast<std::int8_t>(low_byte(truncate(x[i] * inverse + 16.5F)));
    q[i] = level > 31 ? 31 : level;
  }
  return d;
}

}  // namespace

void encode_q5_0(const float* x, const float* importance, std::uint64_t rows, std::uint64_t cols,
                 std::byte* out) {
  for (std::uint64_t row = 0; row < rows; ++row) {
    const float row_mean_square = mean_square(x, cols);
    for (std::uint64_t at = 0; at < cols; at += 32, x += 32, out += 22) {
      Levels32 q;
      float d;
      if (importance == nullptr) {
        d = plain_levels(x, q);
      } else {
        d = search_signed_scale(32, 16, x, legacy_weights(x, importance + at, row_mean_square).data(),
                                q.data());
      }
      ByteWriter block(out);
      block.put_f16(d);
      put_fifth_bits(block, q);
      put_low_nibbles(block, q);
    }
  }
}

void decode_q5_0(const std::byte* in, float* x, std::uint64_t elems) {
  for (std::uint64_t at = 0; at < elems; at += 32, x += 32, in += 22) {
    const Levels32 q = legacy_levels(in + 6, in + 2);
    for (std::size_t i = 0; i < 32; ++i) x[i] = static_cast<float>(q[i] - 16) * f16_at(in, 0);
  }
}

}  // namespace qtz::reference
