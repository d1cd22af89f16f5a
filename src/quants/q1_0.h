// Q1_0: 128 elements in 18 bytes. x ~ d or -d by its sign, d = mean |x|; zeros of either sign count as
// positive. Authority: ggml's block_q1_0 and quantize_row_q1_0_ref; importance is not used.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quants/bit_packing.h"
#include "quants/block_io.h"
#include "quants/half_lane.h"
#include "quants/legacy_blocks.h"

namespace qtz::quants::q1_0 {

inline constexpr std::size_t kElems = 128;

struct Block {
  std::uint16_t d;                 ///< FP16 scale
  std::uint8_t signs[kElems / 8];  ///< bit i of all: element i is not negative
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
    F sum(0.0f);
    for (std::size_t i = 0; i < kElems; ++i) sum = sum + L::abs(x[i]);
    I halves[sizeof(Block) / 2];
    halves[0] = f32_to_f16<L>(sum / F(static_cast<float>(kElems)));
    for (std::size_t k = 0; k < kElems / 16; ++k) {
      I bits(0);
      for (std::size_t i = 0; i < 16; ++i) {
        const I bit(1 << i);
        bits = bits | L::select(L::ge(x[16 * k + i], F(0.0f)), bit, I(0));
      }
      halves[1 + k] = bits;
    }
    store_halves<L, sizeof(Block)>(halves, group, out);
  });
}

template <class L>
void decode(const std::byte* in, float* x, std::uint64_t elems) noexcept {
  using F = typename L::F;
  using I = typename L::I;
  const I lane_bit = L::load_i32(reinterpret_cast<const std::byte*>(kLaneBit.data()));
  for (std::uint64_t block = 0; block < elems / kElems; ++block, in += sizeof(Block)) {
    const F d(read_f16(in + offsetof(Block, d)));
    for (std::size_t k = 0; k < kElems / 16; ++k, x += 16) {
      const std::int32_t signs = ScalarLane::load_u16(in + offsetof(Block, signs) + 2 * k);
      for (std::size_t i = 0; i < 16; i += L::width) {
        const auto negative = L::eq(I(signs >> i) & lane_bit, I(0));
        L::store(x + i, L::to_float(L::select(negative, I(-1), I(1))) * d);
      }
    }
  }
}

}  // namespace qtz::quants::q1_0
