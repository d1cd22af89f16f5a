// What the IQ2 and IQ3 types do alike around the search of grid_search.h: weights, signs, the numbers of a
// super-block, and reading it back. Authority: ggml's quantize_row_iq{2,3}_*_impl and
// dequantize_row_iq{2,3}_*; every float operation that decides is theirs, in their order.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "quants/grid_search.h"
#include "quants/k_quant_common.h"
#include "quants/positive_scale.h"

namespace qtz::quants {

/// Magnitudes of eight elements, and their signs, element i at bit i.
///
/// Even: there is room for seven signs, and the eighth makes the number of minus signs even. Where it does
/// not, the element that weighs least, w x^2, gives up its sign: its "magnitude" is negative.
template <class L, bool Even>
[[gnu::always_inline]] inline typename L::I split_signs(const typename L::F* x, const typename L::F* w,
                                                        typename L::F* magnitude) {
  using F = typename L::F;
  using I = typename L::I;
  I signs(0), odd(0);
  for (std::size_t i = 0; i < 8; ++i) {
    const auto minus = L::lt(x[i], F(0.0f));
    magnitude[i] = L::select(minus, L::negate(x[i]), x[i]);
    const I bit = L::select(minus, I(1), I(0));
    signs = signs | L::shl(bit, static_cast<int>(i));
    odd = odd ^ bit;
  }
  if constexpr (Even) {
    F least = w[0] * x[0] * x[0];
    I least_bit(1);
    for (std::size_t i = 1; i < 8; ++i) {
      const F weight = w[i] * x[i] * x[i];
      const auto less = L::lt(weight, least);
      least = L::select(less, weight, least);
      least_bit = L::select(less, I(1 << i), least_bit);
    }
    least_bit = L::select(L::ne(odd, I(0)), least_bit, I(0));
    for (std::size_t i = 0; i < 8; ++i) {
      const auto given_up = L::eq(least_bit, I(1 << i));
      magnitude[i] = L::select(given_up, L::negate(magnitude[i]), magnitude[i]);
    }
    signs = (signs ^ least_bit) & I(127);
  }
  return signs;
}

/// The numbers of a super-block, one to a lane.
template <class L, class Rules>
struct GridBlock {
  typename L::F scales[kSuperElems / Rules::kSub];
  typename L::F largest;                             ///< of the scales
  typename L::M nothing[kSuperElems / Rules::kSub];  ///< sub-blocks without scale, points and signs
  typename L::I indices[kSuperElems / Rules::Points::digits];
  typename L::I signs[kSuperElems / 8];
};

/// Fits all sub-blocks. Rules is what a type says of itself:
///   Points: its grid; kSub: elements of a sub-block; kEven: seven signs for eight elements
///   kZeroBelow: sub-blocks whose largest magnitude is below have no scale, no points and no signs
///   kFirst: whether a search without a grid tells how far the candidates reach
///   kCandidates, kSecondLook: see grid_search.h
///   lift(sum of squares), plain_weight(x, lift): weights are importance * sqrt(lift + x^2), or the latter
template <class L, class Rules>
[[gnu::always_inline]] inline void fit_grid_block(const typename L::F* x, const typename L::F* importance,
                                                  std::size_t live, GridBlock<L, Rules>& block) {
  using F = typename L::F;
  using I = typename L::I;
  using Fit = GridFit<L, typename Rules::Points, Rules::kSub>;
  const F zero(0.0f);
  const F lift = Rules::template lift<L>(sum_of_squares<L, kSuperElems>(x));
  block.largest = zero;
  for (std::size_t first = 0; first < kSuperElems; first += Rules::kSub) {
    const F* part = x + first;
    F w[Rules::kSub], magnitude[Rules::kSub];
    if (importance != nullptr) {
      importance_weights<L, Rules::kSub>(part, importance + first, lift, w);
    } else {
      for (std::size_t i = 0; i < Rules::kSub; ++i) w[i] = Rules::template plain_weight<L>(part[i], lift);
    }
    I* const signs = block.signs + first / 8;
    for (std::size_t i = 0; i < Rules::kSub; i += 8) {
      signs[i / 8] = split_signs<L, Rules::kEven>(part + i, w + i, magnitude + i);
    }
    F high = magnitude[0];
    for (std::size_t i = 1; i < Rules::kSub; ++i) high = L::max(high, magnitude[i]);
    auto nothing = L::lt(high, F(Rules::kZeroBelow));

    Fit fit(magnitude, w, live, Rules::kSecondLook);
    F reach = high;
    if constexpr (Rules::kFirst) {
      fit.scale = search_positive_scale<L, Rules::kSub, Rules::Points::base + 1>(magnitude, w).scale;
      reach = fit.scale * F(static_cast<float>(Rules::Points::base));
      nothing = L::either(nothing, L::le(reach, zero));
    }
    reach = L::select(nothing, F(1.0f), reach);
    if constexpr (!Rules::kFirst) fit.scale = reach / F(Fit::kTop);
    fit.search(reach, Rules::kCandidates);
    fit.look_again();

    const auto flipped = L::lt(fit.scale, zero);
    const F scale = L::select(flipped, L::negate(fit.scale), fit.scale);
    block.nothing[first / Rules::kSub] = nothing;
    block.scales[first / Rules::kSub] = L::select(nothing, zero, scale);
    block.largest = L::max(block.largest, block.scales[first / Rules::kSub]);
    I* const indices = block.indices + first / Rules::Points::digits;
    number_points<L, typename Rules::Points, Fit::kGroups>(fit.points, indices);
    for (std::size_t k = 0; k < Fit::kGroups; ++k) indices[k] = L::select(nothing, I(0), indices[k]);
    constexpr int kSigns = Rules::kEven ? 127 : 255;
    for (std::size_t k = 0; k < Rules::kSub / 8; ++k) {
      signs[k] = L::select(nothing, I(0), L::select(flipped, signs[k] ^ I(kSigns), signs[k]));
    }
  }
}

/// round((inverse * scale - 1) / 2), in 0 .. Max: stored scales are odd multiples of the step.
template <class L, int Max>
[[gnu::always_inline]] inline typename L::I odd_scale_level(typename L::F scale, typename L::F inverse) {
  using F = typename L::F;
  return clamped_level<L>(F(0.5f) * (inverse * scale - F(1.0f)), 0, Max);
}

/// Four such scales in nibbles, the first lowest.
template <class L>
[[gnu::always_inline]] inline typename L::I pack_odd_scales(const typename L::F* scales,
                                                            typename L::F inverse) {
  const auto nibble = [&](std::size_t i) { return odd_scale_level<L, 15>(scales[i], inverse); };
  return (nibble(0) | L::shl(nibble(1), 4)) | (L::shl(nibble(2), 8) | L::shl(nibble(3), 12));
}

/// Points as bytes, to be read back: `Values` are what the digits stand for.
template <class G, std::int8_t... Values>
struct GridBytes {
  static constexpr std::array<std::array<std::int8_t, G::digits>, G::count> points = [] {
    constexpr std::int8_t kValues[] = {Values...};
    std::array<std::array<std::int8_t, G::digits>, G::count> bytes{};
    for (std::size_t at = 0; at < G::count; ++at) {
      for (std::size_t i = 0; i < G::digits; ++i) {
        bytes[at][i] = kValues[static_cast<std::size_t>(G::digit(G::points[at], i))];
      }
    }
    return bytes;
  }();
};

/// The eighth sign: as many minus signs as are even.
inline unsigned with_even_sign(unsigned seven) {
  unsigned odd = seven ^ (seven >> 4);
  odd ^= odd >> 2;
  odd ^= odd >> 1;
  return seven | ((odd & 1) << 7);
}

/// Eight signed bytes: those at `points` (one of eight, or two of four after another), with their signs.
inline void put_signed(std::uint64_t bytes, unsigned signs, std::byte* out) {
  // Bit i of the signs to byte i, as 0 or 1, then as 0 or 255. No byte is 0, so that two's complement does
  // not carry into the next.
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  const std::uint64_t spread = (signs * kOnes) & 0x8040201008040201;
  const std::uint64_t minus = ((spread + 0x7F * kOnes) >> 7) & kOnes;
  const std::uint64_t result = (bytes ^ (minus * 0xFF)) + minus;
  std::memcpy(out, &result, sizeof result);
}
template <class Bytes>
[[gnu::always_inline]] inline void put_point(std::size_t index, unsigned signs, std::byte* out) {
  std::uint64_t bytes;
  std::memcpy(&bytes, Bytes::points[index].data(), sizeof bytes);
  put_signed(bytes, signs, out);
}
template <class Bytes>
[[gnu::always_inline]] inline void put_two_points(std::size_t low, std::size_t high, unsigned signs,
                                                  std::byte* out) {
  std::uint32_t halves[2];
  std::memcpy(&halves[0], Bytes::points[low].data(), sizeof halves[0]);
  std::memcpy(&halves[1], Bytes::points[high].data(), sizeof halves[1]);
  put_signed(halves[0] | std::uint64_t{halves[1]} << 32, signs, out);
}

/// x = scale * byte for N bytes.
template <class L, std::size_t N>
[[gnu::always_inline]] inline void scale_bytes(const std::byte* bytes, typename L::F scale, float* x) {
  for (std::size_t i = 0; i < N; i += L::width) {
    L::store(x + i, scale * L::to_float(L::load_i8(bytes + i)));
  }
}

}  // namespace qtz::quants
