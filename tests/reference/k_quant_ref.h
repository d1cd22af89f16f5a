// What the reference codecs of the K-quants share: super-blocks of 256 elements, and the packed fields they
// have in common (6-bit scale/offset pairs of Q4_K and Q5_K, 2-bit levels of Q2_K and Q3_K).
#pragma once

#include <array>
#include <cstdint>

#include "reference/ref_math.h"
#include "reference/scale_search_ref.h"

namespace qtz::reference {

using Levels256 = std::array<int, 256>;

/// Sum of 256 squares, in order.
float sum_of_squares(int n, const float* x);

/// Quantizes each sub-block again, now that its scale and offset have been rounded: q = (x + offset) / scale,
/// clamped to [0, levels]. A sub-block whose scale is 0 keeps the levels it has.
void requantize_affine(int n, int levels, const float* x, float scale, float offset, int* q);

/// The same for x / scale in [-levels, levels), stored with +levels.
void requantize_signed(int n, int levels, const float* x, float scale, int* q);

/// Eight pairs of 6-bit numbers in 12 bytes: bytes 0..3 and 4..7 hold the first four scales and offsets, the
/// last four have their low nibbles in bytes 8..11 and their upper two bits on top of bytes 0..3 and 4..7.
struct ScalePairs {
  std::array<int, 8> scale;
  std::array<int, 8> offset;
};
std::array<std::byte, 12> pack_scale_pairs(const ScalePairs& pairs);
ScalePairs scale_pairs_at(const std::byte* in);

/// Levels of two bits, 64 bytes: byte l of half h holds elements 128 h + l + {0, 32, 64, 96}, lowest bits
/// first.
void put_two_bit_levels(ByteWriter& block, const Levels256& q);
int two_bit_level(const std::byte* in, std::size_t element);

/// What differs between Q4_K and Q5_K, which search scales and offsets for eight sub-blocks of 32 in the same
/// way.
struct SubBlockFits {
  float d;
  float dmin;
  std::array<std::byte, 12> pairs;
  Levels256 q;
};
/// Encodes one super-block's numbers, all but the levels' packing. `plain` is the grid without importance.
/// A negative scale (importance of zero can cause one) quantizes to a byte above 63; with importance Q5_K
/// caps it
/// (`cap_weighted_pairs`), Q4_K lets it run into the neighbouring fields.
SubBlockFits fit_eight_sub_blocks(const AffineGrid& plain, bool cap_weighted_pairs, const float* x,
                                  const float* importance);

}  // namespace qtz::reference
