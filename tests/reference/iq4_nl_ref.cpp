// IQ4_NL: 32 elements as { f16 d; 16 bytes of nibbles }, x ~ d * value[q] with sixteen fixed values.
#include "reference/iq4_ref.h"
#include "reference/k_quant_ref.h"

namespace qtz::reference {

void encode_iq4_nl(const float* x, const float* importance, std::uint64_t rows, std::uint64_t cols,
                   std::byte* out) {
  for (std::uint64_t at = 0; at < rows * cols; at += 32, x += 32, out += 18) {
    const float* const weights = importance != nullptr ? importance + at % cols : nullptr;
    const float d = search_iq4_scale(x, weights, sum_of_squares(32, x) * (2.0F / 32));
    const float inverse = d != 0 ? 1 / d : 0.0F;
    std::array<int, 32> q;
    for (std::size_t i = 0; i < 32; ++i) q[i] = nearest_iq4(inverse * x[i]);
    ByteWriter block(out);
    block.put_f16(d);
    put_iq4_levels(block, q.data());
  }
}

void decode_iq4_nl(const std::byte* in, float* x, std::uint64_t elems) {
  for (std::uint64_t at = 0; at < elems; at += 32, x += 32, in += 18) {
    for (std::size_t i = 0; i < 32; ++i) x[i] = f16_at(in, 0) * static_cast<float>(iq4_value_at(in + 2, i));
  }
}

}  // namespace qtz::reference
