// Q2_0: 64 elements in 18 bytes. x ~ d * (q - 1) with 2-bit levels q, d = max |x|; the encoder has no use for
// q = 3. Authority: ggml's block_q2_0 and quantize_row_q2_0_ref; importance is not used.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quants/bit_packing.h"
#include "quants/block_io.h"
#include "quants/half_lane.h"
#include "quants/legacy_blocks.h"
#include "quants/ternary.h"

namespace qtz::quants::q2_0 {

inline constexpr std::size_t kElems = 64;

struct Block {
  std::uint16_t d;              ///< FP16 scale
  std::uint8_t qs[kElems / 4];  ///< four consecutive levels, the first in the lowest bits
};
static_assert(sizeof(Block) == 18);

template <class L>
void encode(const float* tile, const float*, std::uint64_t rows, std::uint64_t cols,
            std::byte* out) noexcept {
  using F = typename L::F;
  using I = typename L::I;
  for_each_group<L>(rows * (cols / kElems), [&](const BlockGroup<L>& group) {
    F x[kElems];
    load_blocks<L, kElems>(tile, group, x);
    const TernaryScale<L> scale = ternary_scale<L, kElems>(x);
    I halves[sizeof(Block) / 2];
    halves[0] = f32_to_f16<L>(scale.d);
    // Where the inverse overflows (d subnormal), infinities and NaN become the smallest level in ggml. A zero
    // block has levels of zero.
    const auto overflows = L::both(scale.lost, L::gt(scale.d, F(0.0f)));
    for (std::size_t k = 0; k < kElems / 8; ++k) {
      I levels(0);
      for (std::size_t i = 8; i-- > 0;) {
        levels = L::shl(levels, 2) + ternary_level<L>(x[8 * k + i], scale.inverse);
      }
      // 1 is added to all eight at once.
      halves[1 + k] = L::select(overflows, I(0), levels + I(0x5555));
    }
    store_halves<L, sizeof(Block)>(halves, group, out);
  });
}

template <class L>
void decode(const std::byte* in, float* x, std::uint64_t elems) noexcept {
  using F = typename L::F;
  using I = typename L::I;
  for (std::uint64_t block = 0; block < elems / kElems; ++block, in += sizeof(Block), x += kElems) {
    const F d(read_f16(in + offsetof(Block, d)));
    std::byte levels[kElems];
    for (std::size_t i = 0; i < kElems; ++i) {
      levels[i] = (in[offsetof(Block, qs) + i / 4] >> (2 * (i % 4))) & std::byte{3};
    }
    for (std::size_t i = 0; i < kElems; i += L::width) {
      L::store(x + i, L::to_float(L::load_u8(levels + i) - I(1)) * d);
    }
  }
}

}  // namespace qtz::quants::q2_0
