// MXFP4: 32 elements in 17 bytes. x ~ 2^(e - 128) * level[q] with the doubled E2M1 levels and e - 127 =
// floor(log2(max |x|)) - 2. Authority: the OCP Microscaling Formats specification 1.0 for the format; ggml's
// block_mxfp4, ggml_e8m0_to_fp32_half and quantize_row_mxfp4_ref for the rest; importance is not used.
//
// The logarithm is a rounded one: ggml takes log2f of its C library, and just below a power of two that comes
// out as the whole number. See floor_of_log2.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quants/bit_packing.h"
#include "quants/block_io.h"
#include "quants/fp4_levels.h"
#include "quants/legacy_blocks.h"

namespace qtz::quants::mxfp4 {

struct Block {
  std::uint8_t e;       ///< E8M0 scale
  std::uint8_t qs[16];  ///< indices of elements i (low nibble) and i + 16 (high nibble)
};
static_assert(sizeof(Block) == 17);

/// floorf(log2f(value)) for finite value > 0, with the log2f of the GNU C library.
///
/// With value = z * 2^n, z in [1/2, 1), the logarithm is n + log2(z), and log2(z) is (z - 1) / ln 2 and a
/// little less. The sum comes out as n when that vanishes beside n, for n = 128 down to 44 floats below 2^n;
/// near 1, never. This is the same sum in FP32: a test compares it with the library around all powers of two.
template <class L>
[[gnu::always_inline]] inline typename L::I floor_of_log2(typename L::F value) {
  using F = typename L::F;
  using I = typename L::I;
  constexpr float kInverseLn2 = 1.44269504f;
  const auto subnormal = L::lt(value, F(0x1p-126f));
  const I bits = L::bits(L::select(subnormal, value * F(0x1p23f), value));
  const I n = L::shr(bits, 23) - L::select(subnormal, I(126 + 23), I(126));
  const F below = L::from_bits((bits & I(0x007FFFFF)) | I(0x3F000000)) - F(1.0f);
  const F whole = L::to_float(n);
  return L::select(L::eq(whole + below * F(kInverseLn2), whole), n, n - I(1));
}

/// Half of what the E8M0 code says.
template <class L>
[[gnu::always_inline]] inline typename L::F half_scale(typename L::I e) {
  using I = typename L::I;
  return L::from_bits(L::select(L::lt(e, I(2)), L::shl(e + I(1), 21), L::shl(e - I(1), 23)));
}

template <class L>
void encode(const float* tile, const float*, std::uint64_t rows, std::uint64_t cols,
            std::byte* out) noexcept {
  using F = typename L::F;
  using I = typename L::I;
  for_each_legacy_group<L>(tile, rows, cols, [&](const F* x, const BlockGroup<L>& group) {
    F amax(0.0f);
    for (std::size_t i = 0; i < kLegacyElems; ++i) amax = L::max(L::abs(x[i]), amax);
    // Below 2^-125 the exponent is negative and goes round in its byte; all levels are zero then.
    const I exponent = (floor_of_log2<L>(amax) + I(127 - 2)) & I(0xFF);
    const I e = L::select(L::gt(amax, F(0.0f)), exponent, I(0));
    const Fp4Middles<L> middles = fp4_middles<L>(half_scale<L>(e));
    I levels[kLegacyElems];
    for (std::size_t i = 0; i < kLegacyElems; ++i) levels[i] = fp4_index<L>(x[i], middles);
    I words[word_capacity<L, sizeof(Block)>()] = {};
    words[0] = e | pack_nibble_bytes<L, 4>(levels, -1);
    for (int k = 1; k < 5; ++k) words[k] = pack_nibble_bytes<L, 4>(levels, 4 * k - 1);
    store_blocks<L, sizeof(Block)>(words, group, out);
  });
}

template <class L>
void decode(const std::byte* in, float* x, std::uint64_t elems) noexcept {
  using F = typename L::F;
  using I = typename L::I;
  for (std::uint64_t block = 0; block < elems / kLegacyElems;
       ++block, in += sizeof(Block), x += kLegacyElems) {
    const F d(half_scale<ScalarLane>(std::to_integer<std::int32_t>(in[offsetof(Block, e)])));
    for (std::size_t i = 0; i < 16; i += L::width) {
      const I bytes = L::load_u8(in + offsetof(Block, qs) + i);
      L::store(x + i, L::gather(kFp4Levels.data(), bytes & I(15)) * d);
      L::store(x + i + 16, L::gather(kFp4Levels.data(), L::shr(bytes, 4)) * d);
    }
  }
}

}  // namespace qtz::quants::mxfp4
