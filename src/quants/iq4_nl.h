// IQ4_NL: 32 elements in 18 bytes. x ~ d * level[q] with sixteen fixed uneven levels.
// Authority: ggml's block_iq4_nl and quantize_iq4_nl.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quants/bit_packing.h"
#include "quants/block_io.h"
#include "quants/iq4_levels.h"
#include "quants/k_quant_common.h"
#include "quants/legacy_blocks.h"

namespace qtz::quants::iq4_nl {

struct Block {
  std::uint16_t d;      ///< FP16 scale
  std::uint8_t qs[16];  ///< indices of elements i (low nibble) and i + 16 (high nibble)
};
static_assert(sizeof(Block) == 18);

template <class L>
void encode(const float* tile, const float* importance, std::uint64_t rows, std::uint64_t cols,
            std::byte* out) noexcept {
  using F = typename L::F;
  using I = typename L::I;
  const std::uint64_t blocks_per_row = cols / kIq4Elems;
  for_each_group<L>(rows * blocks_per_row, [&](const BlockGroup<L>& group) {
    F x[kIq4Elems], w[kIq4Elems];
    load_blocks<L, kIq4Elems>(tile, group, x);
    if (importance != nullptr) {
      F weights[kIq4Elems];
      load_importance<L, kIq4Elems>(importance, blocks_per_row, group, weights);
      importance_weights<L, kIq4Elems>(x, weights, sum_of_squares<L, kIq4Elems>(x) * F(2.0f / 32), w);
    } else {
      for (std::size_t i = 0; i < kIq4Elems; ++i) w[i] = x[i] * x[i];
    }
    const F d = search_iq4_scale<L>(x, w);
    I words[4], halves[9];
    pack_iq4_indices<L>(x, inverse_or_zero<L>(d), words);
    halves[0] = f32_to_f16<L>(d);
    for (std::size_t k = 0; k < 4; ++k) {
      halves[1 + 2 * k] = words[k] & I(0xFFFF);
      halves[2 + 2 * k] = L::shr(words[k], 16);
    }
    store_halves<L, sizeof(Block)>(halves, group, out);
  });
}

template <class L>
void decode(const std::byte* in, float* x, std::uint64_t elems) noexcept {
  using F = typename L::F;
  for (std::uint64_t block = 0; block < elems / kIq4Elems; ++block, in += sizeof(Block), x += kIq4Elems) {
    unpack_iq4_levels<L>(in + offsetof(Block, qs), F(read_f16(in + offsetof(Block, d))), x);
  }
}

}  // namespace qtz::quants::iq4_nl
