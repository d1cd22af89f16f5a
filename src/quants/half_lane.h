// FP16 and BF16 conversion as lane texts, bit for bit what core/half.h defines (a test compares all codes). A
// code is the low 16 bits of an I, the high bits zero.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "quants/lane.h"

namespace qtz::quants {

/// Nearest FP16 code, ties to even; overflow gives infinity, NaN a quiet NaN of the same sign.
template <class L>
[[gnu::always_inline]] inline typename L::I f32_to_f16(typename L::F value) {
  using F = typename L::F;
  using I = typename L::I;
  // From 65520 on everything rounds to infinity, as 65520 itself does.
  const F magnitude = L::min(L::abs(value), F(65520.0f));
  // The power of two below it, at least that of the subnormal codes. Adding 2^13 times that power puts the
  // last bit of the code at the end of the sum's mantissa, which rounds it; what the sum has beyond the power
  // is the code's fraction.
  const I power = L::bits(L::max(L::from_bits(L::bits(magnitude) & I(0x7F800000)), F(0x1p-14f)));
  const I anchor = power + I(13 << 23);
  const I fraction = L::bits(magnitude + L::from_bits(anchor)) - anchor;
  const I code = fraction + (L::shr(power, 13) - I(113 << 10));
  const I sign = L::shr(L::bits(value), 16) & I(0x8000);
  return L::select(L::ne(value, value), I(0x7E00), code) | sign;
}

template <class L>
[[gnu::always_inline]] inline typename L::F f16_to_f32(typename L::I code) {
  using F = typename L::F;
  using I = typename L::I;
  const I sign = L::shl(code & I(0x8000), 16);
  const I magnitude = code & I(0x7FFF);
  const I widened = L::shl(magnitude, 13);
  // A subnormal code is an integer multiple of 2^-24, exact in f32.
  const I subnormal = L::bits(L::to_float(magnitude) * F(0x1p-24f));
  I bits = L::select(L::lt(magnitude, I(0x400)), subnormal, widened + I(112 << 23));
  bits = L::select(L::gt(magnitude, I(0x7BFF)), widened | I(0x7F800000), bits);
  return L::from_bits(bits | sign);
}

/// Nearest BF16 code, ties to even; NaN stays NaN, made quiet.
template <class L>
[[gnu::always_inline]] inline typename L::I f32_to_bf16(typename L::F value) {
  using I = typename L::I;
  const I bits = L::bits(value);
  const I high = L::shr(bits, 16);
  const I magnitude = bits & I(0x7FFFFFFF);
  const I finite = L::min(magnitude, I(0x7F800000));
  const I rounded = L::shr(finite + I(0x7FFF) + (high & I(1)), 16) | (high & I(0x8000));
  return L::select(L::gt(magnitude, I(0x7F800000)), high | I(0x40), rounded);
}

template <class L>
[[gnu::always_inline]] inline typename L::F bf16_to_f32(typename L::I code) {
  return L::from_bits(L::shl(code, 16));
}

/// Arrays of codes: `convert` maps an F to a code. The last incomplete vector is padded with zeros.
template <class L, class Convert>
[[gnu::always_inline]] inline void encode_codes(const float* x, std::uint64_t elems, std::byte* out,
                                                Convert&& convert) {
  std::uint64_t at = 0;
  for (; at + L::width <= elems; at += L::width) L::store_u16(out + 2 * at, convert(L::load(x + at)));
  if (at == elems) return;
  float rest[L::width] = {};
  std::byte codes[2 * L::width];
  std::memcpy(rest, x + at, (elems - at) * sizeof(float));
  L::store_u16(codes, convert(L::load(rest)));
  std::memcpy(out + 2 * at, codes, 2 * (elems - at));
}

template <class L, class Convert>
[[gnu::always_inline]] inline void decode_codes(const std::byte* in, float* x, std::uint64_t elems,
                                                Convert&& convert) {
  std::uint64_t at = 0;
  for (; at + L::width <= elems; at += L::width) L::store(x + at, convert(L::load_u16(in + 2 * at)));
  if (at == elems) return;
  std::byte codes[2 * L::width] = {};
  float rest[L::width];
  std::memcpy(codes, in + 2 * at, 2 * (elems - at));
  L::store(rest, convert(L::load_u16(codes)));
  std::memcpy(x + at, rest, (elems - at) * sizeof(float));
}

}  // namespace qtz::quants
