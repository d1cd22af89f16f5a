// What the 32-element types have in common: how tiles are walked with and without importance, and how the
// nibbles of Q4_0, Q4_1, Q5_0 and Q5_1 are read back.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "quants/block_io.h"
#include "quants/half_lane.h"
#include "quants/lane.h"

namespace qtz::quants {

inline constexpr std::size_t kLegacyElems = 32;

/// Calls body(x, group) for every group of blocks; x[i] is element i of each lane's block.
template <class L, class Body>
[[gnu::always_inline]] inline void for_each_legacy_group(const float* tile, std::uint64_t rows,
                                                         std::uint64_t cols, Body&& body) {
  for_each_group<L>(rows * (cols / kLegacyElems), [&](const BlockGroup<L>& group) {
    typename L::F x[kLegacyElems];
    load_blocks<L, kLegacyElems>(tile, group, x);
    body(x, group);
  });
}

/// Mean square of each of `width` rows, summed in column order; rows past `live` repeat the last one.
template <class L>
void mean_squares(const float* tile, std::size_t live, std::uint64_t cols, float* out) {
  using F = typename L::F;
  F sum(0.0f);
  for (std::uint64_t at = 0; at < cols; at += 16) {
    const float* rows[L::width];
    for (std::size_t lane = 0; lane < L::width; ++lane) {
      rows[lane] = tile + (lane < live ? lane : live - 1) * cols + at;
    }
    F x[16];
    load_rows<L, 16>(rows, x);
    for (std::size_t i = 0; i < 16; ++i) sum = sum + x[i] * x[i];
  }
  L::store(out, sum / F(static_cast<float>(cols)));
}

/// Calls body(x, w, group, block_row_tile_first) for every group, with the weights that ggml gives the
/// 32-element types: importance * sqrt(mean square of the row + x^2). Rows are taken `width` at a time, so
/// that their mean squares fit the lanes; group indices count from the first block of that slice, which
/// starts at block `slice` of the tile.
template <class L, class Body>
[[gnu::always_inline]] inline void for_each_weighted_group(const float* tile, const float* importance,
                                                           std::uint64_t rows, std::uint64_t cols,
                                                           Body&& body) {
  using F = typename L::F;
  const std::uint64_t blocks_per_row = cols / kLegacyElems;
  for_each_group<L>(rows, [&](const BlockGroup<L>& slice) {
    const float* slice_tile = tile + slice.first * cols;
    float squares[L::width];
    mean_squares<L>(slice_tile, slice.live, cols, squares);
    for_each_group<L>(slice.live * blocks_per_row, [&](const BlockGroup<L>& in_slice) {
      F x[kLegacyElems], w[kLegacyElems];
      load_blocks<L, kLegacyElems>(slice_tile, in_slice, x);
      load_importance<L, kLegacyElems>(importance, blocks_per_row, in_slice, w);
      const F row_square = load_row_values<L>(squares, blocks_per_row, in_slice);
      for (std::size_t i = 0; i < kLegacyElems; ++i) w[i] = w[i] * L::sqrt(row_square + x[i] * x[i]);
      body(x, w, BlockGroup<L>{slice.first * blocks_per_row + in_slice.first, in_slice.live});
    });
  });
}

/// FP16 field of a stored block.
inline float read_f16(const std::byte* at) {
  return f16_to_f32<ScalarLane>(ScalarLane::load_u16(at));
}

/// Bit l in lane l.
inline constexpr std::array<std::int32_t, 16> kLaneBit = {1 << 0,  1 << 1,  1 << 2,  1 << 3, 1 << 4,  1 << 5,
                                                          1 << 6,  1 << 7,  1 << 8,  1 << 9, 1 << 10, 1 << 11,
                                                          1 << 12, 1 << 13, 1 << 14, 1 << 15};

/// Reads the 32 levels of a block with nibbles at `qs` and, if Fifth, fifth bits at `qh`; calls emit(i,
/// level) with the levels i .. i + width - 1 in the lanes.
template <class L, bool Fifth, class Emit>
[[gnu::always_inline]] inline void unpack_legacy(const std::byte* qs, const std::byte* qh, Emit&& emit) {
  using I = typename L::I;
  std::uint32_t fifth = 0;
  if constexpr (Fifth) std::memcpy(&fifth, qh, sizeof fifth);
  const I lane_bit = L::load_i32(reinterpret_cast<const std::byte*>(kLaneBit.data()));
  const auto level = [&](I nibble, std::size_t i) {
    if constexpr (Fifth) {
      const I bit = I(static_cast<std::int32_t>(fifth >> i)) & lane_bit;
      return nibble | L::select(L::eq(bit, I(0)), I(0), I(16));
    } else {
      return nibble;
    }
  };
  for (std::size_t i = 0; i < 16; i += L::width) {
    const I bytes = L::load_u8(qs + i);
    emit(i, level(bytes & I(15), i));
    emit(i + 16, level(L::shr(bytes, 4), i + 16));
  }
}

}  // namespace qtz::quants
