// How a text sees a tile: a sequence of blocks (rows are whole blocks and contiguous), taken `width` at a
// time, one block per lane. Loading transposes, so that x[i] holds element i of every block of the group;
// results are words per lane and stored back transposed. The last group is padded with copies of its last
// live block; only live ones are stored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "quants/lane.h"

namespace qtz::quants {

/// Lane l of a group reads block first + min(l, live - 1).
template <class L>
struct BlockGroup {
  std::uint64_t first;  ///< index of lane 0's block in the tile
  std::size_t live;     ///< 1 .. width: lanes that are blocks of their own

  std::uint64_t block(std::size_t lane) const { return first + (lane < live ? lane : live - 1); }
};

/// Calls body(BlockGroup<L>) for every group of `blocks` blocks.
template <class L, class Body>
[[gnu::always_inline]] inline void for_each_group(std::uint64_t blocks, Body&& body) {
  for (std::uint64_t first = 0; first < blocks; first += L::width) {
    const std::uint64_t left = blocks - first;
    body(BlockGroup<L>{first, left < L::width ? static_cast<std::size_t>(left) : L::width});
  }
}

/// out[i] = element i of each lane's row, for i < Elems; lane l reads at rows[l]. Elems is a multiple of 16.
template <class L, std::size_t Elems>
[[gnu::always_inline]] inline void load_rows(const float* const (&rows)[L::width], typename L::F* out) {
  static_assert(Elems % 16 == 0 && 16 % L::width == 0);
  for (std::size_t i = 0; i < Elems; i += L::width) {
    const float* at[L::width];
    for (std::size_t lane = 0; lane < L::width; ++lane) at[lane] = rows[lane] + i;
    typename L::F tile[L::width];
    L::load_transposed(at, tile);
    for (std::size_t k = 0; k < L::width; ++k) out[i + k] = tile[k];
  }
}

/// The group's blocks of a tile: out[i] = element i of each block.
template <class L, std::size_t Elems>
[[gnu::always_inline]] inline void load_blocks(const float* tile, const BlockGroup<L>& group,
                                               typename L::F* out) {
  const float* rows[L::width];
  if (group.live == L::width) [[likely]] {
    // Constant distances, so that the compiler needs one address register.
    const float* const first = tile + group.first * Elems;
    for (std::size_t lane = 0; lane < L::width; ++lane) rows[lane] = first + lane * Elems;
    load_rows<L, Elems>(rows, out);
  } else {
    for (std::size_t lane = 0; lane < L::width; ++lane) rows[lane] = tile + group.block(lane) * Elems;
    load_rows<L, Elems>(rows, out);
  }
}

/// The importance weights of the group's blocks: every row uses the same `blocks_per_row` * Elems weights.
template <class L, std::size_t Elems>
[[gnu::always_inline]] inline void load_importance(const float* importance, std::uint64_t blocks_per_row,
                                                   const BlockGroup<L>& group, typename L::F* out) {
  const float* rows[L::width];
  for (std::size_t lane = 0; lane < L::width; ++lane) {
    rows[lane] = importance + group.block(lane) % blocks_per_row * Elems;
  }
  load_rows<L, Elems>(rows, out);
}

/// One value per row (sums over rows), spread to the lanes of the group: lane l gets values[row of its
/// block].
template <class L>
[[gnu::always_inline]] inline typename L::F load_row_values(const float* values, std::uint64_t blocks_per_row,
                                                            const BlockGroup<L>& group) {
  float spread[L::width];
  for (std::size_t lane = 0; lane < L::width; ++lane)
    spread[lane] = values[group.block(lane) / blocks_per_row];
  return L::load(spread);
}

/// Entries an array of words must have for store_blocks: whole transposes.
template <class L, std::size_t BlockBytes>
constexpr std::size_t word_capacity() {
  return (BlockBytes + 4 * L::width - 1) / (4 * L::width) * L::width;
}

/// Stores the first BlockBytes bytes of each live lane's words (lowest byte first) as that lane's block.
/// `words` has word_capacity<L, BlockBytes>() entries; what lies past the block's end is not stored but must
/// be initialized.
template <class L, std::size_t BlockBytes>
[[gnu::always_inline]] inline void store_blocks(const typename L::I* words, const BlockGroup<L>& group,
                                                std::byte* tile) {
  constexpr std::size_t kChunkBytes = 4 * L::width;
  constexpr std::size_t kWholeBytes = BlockBytes / kChunkBytes * kChunkBytes;
  constexpr std::size_t kRest = BlockBytes - kWholeBytes;
  std::byte* const blocks = tile + group.first * BlockBytes;
  std::byte scratch[L::width][kChunkBytes];
  std::byte* scratch_rows[L::width];
  for (std::size_t lane = 0; lane < L::width; ++lane) scratch_rows[lane] = scratch[lane];

  const auto store_chunk = [&](std::size_t at, std::byte* const(&rows)[L::width]) {
    typename L::I chunk[L::width];
    for (std::size_t k = 0; k < L::width; ++k) chunk[k] = words[at / 4 + k];
    L::store_transposed(chunk, rows);
  };
  const auto copy_live = [&]<std::size_t Count>(std::size_t at, std::integral_constant<std::size_t, Count>) {
    for (std::size_t lane = 0; lane < group.live; ++lane)
      std::memcpy(blocks + lane * BlockBytes + at, scratch[lane], Count);
  };

  for (std::size_t at = 0; at < kWholeBytes; at += kChunkBytes) {
    if (group.live == L::width) {
      std::byte* rows[L::width];
      for (std::size_t lane = 0; lane < L::width; ++lane) rows[lane] = blocks + lane * BlockBytes + at;
      store_chunk(at, rows);
    } else {
      store_chunk(at, scratch_rows);
      copy_live(at, std::integral_constant<std::size_t, kChunkBytes>{});
    }
  }
  if constexpr (kRest > 0 && kRest <= 4) {
    L::store_i32(scratch[0], words[kWholeBytes / 4]);
    for (std::size_t lane = 0; lane < group.live; ++lane)
      std::memcpy(blocks + lane * BlockBytes + kWholeBytes, scratch[0] + 4 * lane, kRest);
  } else if constexpr (kRest > 0) {
    store_chunk(kWholeBytes, scratch_rows);
    copy_live(kWholeBytes, std::integral_constant<std::size_t, kRest>{});
  }
}

}  // namespace qtz::quants
