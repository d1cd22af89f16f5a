// TQ2_0: 256 elements in 66 bytes. x ~ d * (q - 1) with 2-bit levels q, d = max |x|; the encoder has no use
// for q = 3. Authority: ggml's block_tq2_0 and quantize_row_tq2_0_ref; importance is not used.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quants/half_lane.h"
#include "quants/k_quant_common.h"
#include "quants/legacy_blocks.h"
#include "quants/ternary.h"

namespace qtz::quants::tq2_0 {

struct Block {
  std::uint8_t
      qs[64];       ///< of each half of 128: byte l of 32 holds levels l + 32 {0, 1, 2, 3}, low bits first
  std::uint16_t d;  ///< FP16 scale
};
static_assert(sizeof(Block) == 66);

template <class L>
void encode(const float* tile, const float*, std::uint64_t rows, std::uint64_t cols,
            std::byte* out) noexcept {
  using F = typename L::F;
  using I = typename L::I;
  for_each_super_block_group<L>(
      tile, nullptr, rows, cols, [&](const F* x, const F*, const BlockGroup<L>& group) {
        const TernaryScale<L> scale = ternary_scale<L, kSuperElems>(x);
        const auto packed = [&](std::size_t byte) {
          const F* first = x + byte / 32 * 128 + byte % 32;
          I levels(0);
          for (std::size_t n = 4; n-- > 0;) {
            levels = L::shl(levels, 2) + ternary_level<L>(first[32 * n], scale.inverse);
          }
          return levels + I(0x55);  // 1 for each of the four
        };
        I words[word_capacity<L, sizeof(Block)>()] = {};
        for (std::size_t k = 0; k < 16; ++k) {
          words[k] = L::pack_u8(packed(4 * k), packed(4 * k + 1), packed(4 * k + 2), packed(4 * k + 3));
        }
        words[16] = f32_to_f16<L>(scale.d);
        store_blocks<L, sizeof(Block)>(words, group, out);
      });
}

template <class L>
void decode(const std::byte* in, float* x, std::uint64_t elems) noexcept {
  using F = typename L::F;
  using I = typename L::I;
  for (std::uint64_t block = 0; block < elems / kSuperElems; ++block, in += sizeof(Block)) {
    const F d(read_f16(in + offsetof(Block, d)));
    for (std::size_t half = 0; half < 2; ++half, x += 128) {
      for (std::size_t i = 0; i < 32; i += L::width) {
        I bytes = L::load_u8(in + offsetof(Block, qs) + 32 * half + i);
        for (std::size_t n = 0; n < 4; ++n, bytes = L::shr(bytes, 2)) {
          L::store(x + 32 * n + i, L::to_float((bytes & I(3)) - I(1)) * d);
        }
      }
    }
  }
}

}  // namespace qtz::quants::tq2_0
