// The closed set of operations the quantization texts are written in, and the lane that does them one float
// at a time. A text is a template over a lane policy L; every lane runs one independent problem with exactly
// these operations in exactly the written order, so scalar, SIMD and CUDA lanes give the same bytes.
//
// F, I and M are a float, an int32 and a truth value per lane. Allowed on F: + - * / (never a fused
// multiply-add) and the functions below. Allowed on I: + - * & | ^ and the functions below. F(1.5f) and I(3)
// put one value in all lanes. Unary minus is not in the set (SIMD libraries lose -0 with it): use negate.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__FAST_MATH__)
#error "qtz promises the same bytes everywhere and cannot be built with -ffast-math"
#endif

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define QTZ_LANE_OP [[gnu::always_inline]] static inline

namespace qtz::quants {

/// Adding and subtracting 1.5 * 2^23 rounds to an integer, ties to even; ggml rounds this way too.
inline constexpr float kRoundingBias = 12582912.0f;
/// Largest magnitude for which that is right (2^22 - 1).
inline constexpr float kRoundingLimit = 4194303.0f;

struct ScalarLane {
  using F = float;
  using I = std::int32_t;
  using M = bool;
  static constexpr std::size_t width = 1;  ///< problems side by side

  // Memory. The pointers need no alignment; `width` consecutive values are read or written, widened to int32
  // or narrowed by dropping the high bits.
  QTZ_LANE_OP F load(const float* at) { return *at; }
  QTZ_LANE_OP void store(float* at, F v) { *at = v; }
  QTZ_LANE_OP I load_i32(const std::byte* at) { return fetch<std::int32_t>(at); }
  QTZ_LANE_OP void store_i32(std::byte* at, I v) { std::memcpy(at, &v, sizeof v); }
  QTZ_LANE_OP I load_u16(const std::byte* at) { return fetch<std::uint16_t>(at); }
  QTZ_LANE_OP void store_u16(std::byte* at, I v) {
    const auto narrow = static_cast<std::uint16_t>(v);
    std::memcpy(at, &narrow, sizeof narrow);
  }
  QTZ_LANE_OP I load_u8(const std::byte* at) { return fetch<std::uint8_t>(at); }
  QTZ_LANE_OP I load_i8(const std::byte* at) { return fetch<std::int8_t>(at); }
  /// table[index] in every lane; the index must be inside the table.
  QTZ_LANE_OP F gather(const float* table, I index) { return table[index]; }

  /// `table` is N = 4 or 8 floats over and over, in as many vectors as hold N of them, at least one. Of
  /// these, the float that the lowest bits of the index say, in every lane.
  template <std::size_t N>
  QTZ_LANE_OP F lookup(const F* table, I index) {
    return table[index & I(N - 1)];
  }

  // Across the lanes, what is the same in any order: the smallest of all, no NaN among them; the first lane
  // where m is true, and it is in one.
  QTZ_LANE_OP float smallest(F a) { return a; }
  QTZ_LANE_OP std::int32_t smallest(I a) { return a; }
  QTZ_LANE_OP std::size_t first_true(M) { return 0; }

  // Transposing memory: lane l belongs to rows[l]. load: out[i] = element i of each row. store: word i of
  // each row.
  QTZ_LANE_OP void load_transposed(const float* const (&rows)[width], F (&out)[width]) { out[0] = *rows[0]; }
  QTZ_LANE_OP void store_transposed(const I (&words)[width], std::byte* const (&rows)[width]) {
    store_i32(rows[0], words[0]);
  }

  // Comparisons as the C operators: false when a NaN takes part, except ne.
  QTZ_LANE_OP M lt(F a, F b) { return a < b; }
  QTZ_LANE_OP M le(F a, F b) { return a <= b; }
  QTZ_LANE_OP M gt(F a, F b) { return a > b; }
  QTZ_LANE_OP M ge(F a, F b) { return a >= b; }
  QTZ_LANE_OP M eq(F a, F b) { return a == b; }
  QTZ_LANE_OP M ne(F a, F b) { return a != b; }
  QTZ_LANE_OP M lt(I a, I b) { return a < b; }
  QTZ_LANE_OP M gt(I a, I b) { return a > b; }
  QTZ_LANE_OP M eq(I a, I b) { return a == b; }
  QTZ_LANE_OP M ne(I a, I b) { return a != b; }

  QTZ_LANE_OP M both(M a, M b) { return a && b; }
  QTZ_LANE_OP M either(M a, M b) { return a || b; }
  QTZ_LANE_OP M invert(M a) { return !a; }
  QTZ_LANE_OP bool any(M a) { return a; }
  QTZ_LANE_OP bool all(M a) { return a; }

  /// m ? a : b.
  QTZ_LANE_OP F select(M m, F a, F b) { return m ? a : b; }
  QTZ_LANE_OP I select(M m, I a, I b) { return m ? a : b; }
  /// select(m, next, a) where `next` is a + 1 wherever m is true.
  QTZ_LANE_OP I step(M m, I next, I a) { return m ? next : a; }

  /// Exactly (a < b) ? a : b and (a > b) ? a : b, so the second operand when one is NaN or both are zero.
  QTZ_LANE_OP F min(F a, F b) { return a < b ? a : b; }
  QTZ_LANE_OP F max(F a, F b) { return a > b ? a : b; }
  QTZ_LANE_OP I min(I a, I b) { return a < b ? a : b; }
  QTZ_LANE_OP I max(I a, I b) { return a > b ? a : b; }

  QTZ_LANE_OP F abs(F a) { return from_bits(bits(a) & 0x7FFFFFFF); }
  QTZ_LANE_OP F negate(F a) { return from_bits(bits(a) ^ INT32_MIN); }
  QTZ_LANE_OP F sqrt(F a) { return std::sqrt(a); }

  /// Nearest integer, ties to even, for |a| <= kRoundingLimit; beyond that and for NaN what ggml's
  /// nearest_int gives (the low 23 bits of a + 1.5 * 2^23, less 2^22).
  QTZ_LANE_OP I round_to_int(F a) { return (bits(a + kRoundingBias) & 0x007FFFFF) - 0x00400000; }
  /// The same as a float for |a| <= kRoundingLimit; infinities and NaN stay what they are.
  QTZ_LANE_OP F round_to_float(F a) { return (a + kRoundingBias) - kRoundingBias; }
  /// Toward zero; INT32_MIN when the value does not fit or is NaN (what x86 converts to).
  QTZ_LANE_OP I trunc_to_int(F a) {
#if defined(__SSE2__)
    return _mm_cvttss_si32(_mm_set_ss(a));
#else
    return a >= -2147483648.0f && a < 2147483648.0f ? static_cast<I>(a) : INT32_MIN;
#endif
  }
  QTZ_LANE_OP F to_float(I a) {
    return static_cast<float>(a);
  }

  QTZ_LANE_OP I bits(F a) {
    return std::bit_cast<I>(a);
  }
  QTZ_LANE_OP F from_bits(I a) {
    return std::bit_cast<F>(a);
  }

  /// Shifts by 0 to 31; shr fills with zeros, sar with the sign.
  QTZ_LANE_OP I shl(I a, int count) {
    return static_cast<I>(static_cast<std::uint32_t>(a) << count);
  }
  QTZ_LANE_OP I shr(I a, int count) {
    return static_cast<I>(static_cast<std::uint32_t>(a) >> count);
  }
  QTZ_LANE_OP I sar(I a, int count) {
    return a >> count;
  }

  /// Four values in the bytes of a word, b0 lowest, each clamped to 0 .. 255 or to -128 .. 127.
  QTZ_LANE_OP I pack_u8(I b0, I b1, I b2, I b3) {
    return join_bytes(min(max(b0, 0), 255), min(max(b1, 0), 255), min(max(b2, 0), 255), min(max(b3, 0), 255));
  }
  QTZ_LANE_OP I pack_i8(I b0, I b1, I b2, I b3) {
    return join_bytes(min(max(b0, -128), 127), min(max(b1, -128), 127), min(max(b2, -128), 127),
                      min(max(b3, -128), 127));
  }
  /// The smaller of each of the four unsigned bytes.
  QTZ_LANE_OP I min_u8(I a, I b) {
    const auto smaller = [&](int shift) { return min(shr(a, shift) & 0xFF, shr(b, shift) & 0xFF); };
    return join_bytes(smaller(0), smaller(8), smaller(16), smaller(24));
  }

 private:
  QTZ_LANE_OP I join_bytes(I b0, I b1, I b2, I b3) {
    return (b0 & 0xFF) | shl(b1 & 0xFF, 8) | shl(b2 & 0xFF, 16) | shl(b3, 24);
  }

  template <class T>
  QTZ_LANE_OP T fetch(const std::byte* at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    return value;
  }
};

}  // namespace qtz::quants
