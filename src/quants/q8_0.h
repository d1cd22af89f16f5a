// Q8_0: 32 elements in 34 bytes. x ~ d * q with q = round(x / d), halves away from zero, d = max |x| / 127.
// Authority: ggml's block_q8_0 and quantize_row_q8_0_ref; importance is not used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "quants/bit_packing.h"
#include "quants/half_lane.h"
#include "quants/legacy_blocks.h"

namespace qtz::quants::q8_0 {

struct Block {
  std::uint16_t d;     ///< FP16 scale
  std::int8_t qs[32];  ///< levels -127 .. 127
};
static_assert(sizeof(Block) == 34);

/// roundf for |value| < 2^22: the largest float below one half is added with the value's sign, then the
/// fraction dropped.
template <class L>
[[gnu::always_inline]] inline typename L::I round_away(typename L::F value) {
  using I = typename L::I;
  const I sign = L::bits(value) & I(INT32_MIN);
  return L::trunc_to_int(value + L::from_bits(sign | I(0x3EFFFFFF)));
}

template <class L>
void encode(const float* tile, const float*, std::uint64_t rows, std::uint64_t cols,
            std::byte* out) noexcept {
  using F = typename L::F;
  using I = typename L::I;
  for_each_legacy_group<L>(tile, rows, cols, [&](const F* x, const BlockGroup<L>& group) {
    F amax(0.0f);
    for (std::size_t i = 0; i < 32; ++i) amax = L::max(amax, L::abs(x[i]));
    const F d = amax / F(127.0f);
    // An inverse that overflows (d subnormal) makes every level 0 in ggml, as no inverse does.
    F inverse = F(1.0f) / d;
    inverse = L::select(L::lt(inverse, F(std::numeric_limits<float>::infinity())), inverse, F(0.0f));
    const auto level = [&](std::size_t i) { return round_away<L>(x[i] * inverse); };
    I words[word_capacity<L, sizeof(Block)>()] = {};
    const I none(0);
    words[0] = f32_to_f16<L>(d) | L::pack_i8(none, none, level(0), level(1));
    for (std::size_t k = 1; k < 8; ++k) {
      words[k] = L::pack_i8(level(4 * k - 2), level(4 * k - 1), level(4 * k), level(4 * k + 1));
    }
    words[8] = L::pack_i8(level(30), level(31), none, none);
    store_blocks<L, sizeof(Block)>(words, group, out);
  });
}

template <class L>
void decode(const std::byte* in, float* x, std::uint64_t elems) noexcept {
  using F = typename L::F;
  for (std::uint64_t block = 0; block < elems / 32; ++block, in += sizeof(Block), x += 32) {
    const F d(read_f16(in + offsetof(Block, d)));
    for (std::size_t i = 0; i < 32; i += L::width) {
      L::store(x + i, L::to_float(L::load_i8(in + offsetof(Block, qs) + i)) * d);
    }
  }
}

}  // namespace qtz::quants::q8_0
