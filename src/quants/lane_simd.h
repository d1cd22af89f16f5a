// The lane operations of lane.h on SIMD registers: SimdLane<xsimd::sse2>, <xsimd::avx2> and <xsimd::avx512bw>
// run 4, 8 and 16 problems side by side. Arithmetic is xsimd's; what its instruction sets disagree on
// (conversions, unary minus, shuffles) is written here with the instructions themselves. Include it only in a
// file compiled for that instruction set.
#pragma once

#include <xsimd/xsimd.hpp>

#include "quants/lane.h"
#include "quants/lane_transpose.h"

namespace qtz::quants {

template <class Arch>
struct SimdLane {
  using F = xsimd::batch<float, Arch>;
  using I = xsimd::batch<std::int32_t, Arch>;
  using M = xsimd::batch_bool<float, Arch>;
  static constexpr std::size_t width = F::size;

  QTZ_LANE_OP F load(const float* at) { return F::load_unaligned(at); }
  QTZ_LANE_OP void store(float* at, F v) { v.store_unaligned(at); }
  QTZ_LANE_OP I load_i32(const std::byte* at) {
    I out;
    std::memcpy(&out.data, at, sizeof out.data);
    return out;
  }
  QTZ_LANE_OP void store_i32(std::byte* at, I v) { std::memcpy(at, &v.data, sizeof v.data); }

  QTZ_LANE_OP I load_u16(const std::byte* at) {
    if constexpr (width == 4) {
      return I(_mm_unpacklo_epi16(half_register(at), _mm_setzero_si128()));
    }
#if defined(__AVX2__)
    else if constexpr (width == 8) {
      return I(_mm256_cvtepu16_epi32(load_128(at)));
    }
#endif
#if defined(__AVX512BW__)
    else if constexpr (width == 16) {
      return I(_mm512_cvtepu16_epi32(load_256(at)));
    }
#endif
  }

  QTZ_LANE_OP void store_u16(std::byte* at, I v) {
    if constexpr (width == 4) {
      // Sign-extend the low halves so that the saturating pack keeps them.
      const __m128i low = _mm_srai_epi32(_mm_slli_epi32(v, 16), 16);
      _mm_storel_epi64(reinterpret_cast<__m128i*>(at), _mm_packs_epi32(low, low));
    }
#if defined(__AVX2__)
    else if constexpr (width == 8) {
      const __m256i low = _mm256_and_si256(v, _mm256_set1_epi32(0xFFFF));
      const __m128i packed = _mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(at), packed);
    }
#endif
#if defined(__AVX512BW__)
    else if constexpr (width == 16) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), _mm512_cvtepi32_epi16(v));
    }
#endif
  }

  QTZ_LANE_OP I load_u8(const std::byte* at) {
    if constexpr (width == 4) {
      const __m128i zero = _mm_setzero_si128();
      return I(_mm_unpacklo_epi16(_mm_unpacklo_epi8(quarter_register(at), zero), zero));
    }
#if defined(__AVX2__)
    else if constexpr (width == 8) {
      return I(_mm256_cvtepu8_epi32(half_register(at)));
    }
#endif
#if defined(__AVX512BW__)
    else if constexpr (width == 16) {
      return I(_mm512_cvtepu8_epi32(load_128(at)));
    }
#endif
  }

  QTZ_LANE_OP I load_i8(const std::byte* at) {
    if constexpr (width == 4) {
      const __m128i raw = quarter_register(at);
      const __m128i twice = _mm_unpacklo_epi8(raw, raw);
      return I(_mm_srai_epi32(_mm_unpacklo_epi16(twice, twice), 24));
    }
#if defined(__AVX2__)
    else if constexpr (width == 8) {
      return I(_mm256_cvtepi8_epi32(half_register(at)));
    }
#endif
#if defined(__AVX512BW__)
    else if constexpr (width == 16) {
      return I(_mm512_cvtepi8_epi32(load_128(at)));
    }
#endif
  }

  QTZ_LANE_OP F gather(const float* table, I index) {
    if constexpr (width == 4) {
      alignas(16) std::int32_t at[4];
      index.store_aligned(at);
      return F(_mm_setr_ps(table[at[0]], table[at[1]], table[at[2]], table[at[3]]));
    }
#if defined(__AVX2__)
    else if constexpr (width == 8) {
      return F(_mm256_i32gather_ps(table, index, 4));
    }
#endif
#if defined(__AVX512BW__)
    else if constexpr (width == 16) {
      return F(_mm512_i32gather_ps(index, table, 4));
    }
#endif
  }

  template <std::size_t N>
  QTZ_LANE_OP F lookup(const F* table, I index) {
    if constexpr (width == 4) {
      alignas(16) std::int32_t at[4];
      alignas(16) float all[N];
      for (std::size_t i = 0; i < N / 4; ++i) table[i].store_aligned(all + 4 * i);
      (index & I(N - 1)).store_aligned(at);
      return F(_mm_setr_ps(all[at[0]], all[at[1]], all[at[2]], all[at[3]]));
    }
#if defined(__AVX2__)
    else if constexpr (width == 8) {
      if constexpr (N == 4) return F(_mm256_permutevar_ps(*table, index));
      return F(_mm256_permutevar8x32_ps(*table, index));
    }
#endif
#if defined(__AVX512BW__)
    else if constexpr (width == 16) {
      if constexpr (N == 4) return F(_mm512_permutevar_ps(*table, index));
      return F(_mm512_permutexvar_ps(index, *table));
    }
#endif
  }

  QTZ_LANE_OP float smallest(F a) {
    if constexpr (width == 4) {
      const __m128 halves = _mm_min_ps(a, _mm_movehl_ps(a, a));
      return _mm_cvtss_f32(_mm_min_ss(halves, _mm_shuffle_ps(halves, halves, 1)));
    }
#if defined(__AVX2__)
    else if constexpr (width == 8) {
      const __m128 quarter = _mm_min_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
      const __m128 halves = _mm_min_ps(quarter, _mm_movehl_ps(quarter, quarter));
      return _mm_cvtss_f32(_mm_min_ss(halves, _mm_movehdup_ps(halves)));
    }
#endif
#if defined(__AVX512BW__)
    else if constexpr (width == 16) {
      return _mm512_reduce_min_ps(a);
    }
#endif
  }
  QTZ_LANE_OP std::int32_t smallest(I a) {
    if constexpr (width == 4) {
      alignas(16) std::int32_t all[4];
      a.store_aligned(all);
      const std::int32_t low = all[0] < all[1] ? all[0] : all[1], high = all[2] < all[3] ? all[2] : all[3];
      return low < high ? low : high;
    }
#if defined(__AVX2__)
    else if constexpr (width == 8) {
      const __m128i quarter = _mm_min_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
      const __m128i halves = _mm_min_epi32(quarter, _mm_shuffle_epi32(quarter, 0x4E));
      return _mm_cvtsi128_si32(_mm_min_epi32(halves, _mm_shuffle_epi32(halves, 0xB1)));
    }
#endif
#if defined(__AVX512BW__)
    else if constexpr (width == 16) {
      return _mm512_reduce_min_epi32(a);
    }
#endif
  }

  QTZ_LANE_OP std::size_t first_true(M m) {
    unsigned lanes = 0;
    if constexpr (width == 4) lanes = static_cast<unsigned>(_mm_movemask_ps(m));
#if defined(__AVX2__)
    if constexpr (width == 8) lanes = static_cast<unsigned>(_mm256_movemask_ps(m));
#endif
#if defined(__AVX512BW__)
    if constexpr (width == 16) lanes = static_cast<unsigned>(static_cast<__mmask16>(m));
#endif
    return static_cast<std::size_t>(std::countr_zero(lanes));
  }

  QTZ_LANE_OP void load_transposed(const float* const (&rows)[width], F (&out)[width]) {
    transpose_load(rows, out);
  }
  QTZ_LANE_OP void store_transposed(const I (&words)[width], std::byte* const (&rows)[width]) {
    transpose_store(words, rows);
  }

  QTZ_LANE_OP M lt(F a, F b) {
    return a < b;
  }
  QTZ_LANE_OP M le(F a, F b) {
    return a <= b;
  }
  QTZ_LANE_OP M gt(F a, F b) {
    return a > b;
  }
  QTZ_LANE_OP M ge(F a, F b) {
    return a >= b;
  }
  QTZ_LANE_OP M eq(F a, F b) {
    return a == b;
  }
  QTZ_LANE_OP M ne(F a, F b) {
    return ~(a == b);
  }  // xsimd's != is false for NaN on AVX
  QTZ_LANE_OP M lt(I a, I b) {
    return as_mask(a < b);
  }
  QTZ_LANE_OP M gt(I a, I b) {
    return as_mask(a > b);
  }
  QTZ_LANE_OP M eq(I a, I b) {
    return as_mask(a == b);
  }
  QTZ_LANE_OP M ne(I a, I b) {
    return as_mask(a != b);
  }

  QTZ_LANE_OP M both(M a, M b) {
    return a & b;
  }
  QTZ_LANE_OP M either(M a, M b) {
    return a | b;
  }
  QTZ_LANE_OP M invert(M a) {
    return ~a;
  }
  QTZ_LANE_OP bool any(M a) {
    return xsimd::any(a);
  }
  QTZ_LANE_OP bool all(M a) {
    return xsimd::all(a);
  }

  QTZ_LANE_OP F select(M m, F a, F b) {
    return xsimd::select(m, a, b);
  }
  QTZ_LANE_OP I select(M m, I a, I b) {
    return bits(xsimd::select(m, from_bits(a), from_bits(b)));
  }
  QTZ_LANE_OP I step(M m, I next, I a) {
    // Where masks are vectors, true is -1, and a subtraction is cheaper than a choice.
    if constexpr (sizeof(typename M::register_type) == sizeof(typename F::register_type)) {
      return a - bits(F(static_cast<typename F::register_type>(m)));
    } else {
      return select(m, next, a);
    }
  }

  // MINPS and MAXPS are (a < b) ? a : b and (a > b) ? a : b.
  QTZ_LANE_OP F min(F a, F b) {
    return xsimd::min(a, b);
  }
  QTZ_LANE_OP F max(F a, F b) {
    return xsimd::max(a, b);
  }
  QTZ_LANE_OP I min(I a, I b) {
    return xsimd::min(a, b);
  }
  QTZ_LANE_OP I max(I a, I b) {
    return xsimd::max(a, b);
  }

  QTZ_LANE_OP F abs(F a) {
    return from_bits(bits(a) & I(0x7FFFFFFF));
  }
  QTZ_LANE_OP F negate(F a) {
    return from_bits(bits(a) ^ I(INT32_MIN));
  }
  QTZ_LANE_OP F sqrt(F a) {
    return xsimd::sqrt(a);
  }

  QTZ_LANE_OP I round_to_int(F a) {
    return (bits(a + F(kRoundingBias)) & I(0x007FFFFF)) - I(0x00400000);
  }
  QTZ_LANE_OP F round_to_float(F a) {
    return (a + F(kRoundingBias)) - F(kRoundingBias);
  }

  QTZ_LANE_OP I trunc_to_int(F a) {
    if constexpr (width == 4) {
      return I(_mm_cvttps_epi32(a));
    }
#if defined(__AVX2__)
    else if constexpr (width == 8) {
      return I(_mm256_cvttps_epi32(a));
    }
#endif
#if defined(__AVX512BW__)
    else if constexpr (width == 16) {
      return I(_mm512_cvttps_epi32(a));
    }
#endif
  }

  QTZ_LANE_OP F to_float(I a) {
    if constexpr (width == 4) {
      return F(_mm_cvtepi32_ps(a));
    }
#if defined(__AVX2__)
    else if constexpr (width == 8) {
      return F(_mm256_cvtepi32_ps(a));
    }
#endif
#if defined(__AVX512BW__)
    else if constexpr (width == 16) {
      return F(_mm512_cvtepi32_ps(a));
    }
#endif
  }

  QTZ_LANE_OP I bits(F a) {
    return std::bit_cast<I>(a);
  }
  QTZ_LANE_OP F from_bits(I a) {
    return std::bit_cast<F>(a);
  }

  QTZ_LANE_OP I shl(I a, int count) {
    return a << count;
  }
  QTZ_LANE_OP I shr(I a, int count) {
    return std::bit_cast<I>(std::bit_cast<xsimd::batch<std::uint32_t, Arch>>(a) >> count);
  }
  QTZ_LANE_OP I sar(I a, int count) {
    return a >> count;
  }

  QTZ_LANE_OP I pack_u8(I b0, I b1, I b2, I b3) {
    return pack_quads<true>(b0, b1, b2, b3);
  }
  QTZ_LANE_OP I pack_i8(I b0, I b1, I b2, I b3) {
    return pack_quads<false>(b0, b1, b2, b3);
  }
  QTZ_LANE_OP I min_u8(I a, I b) {
    if constexpr (width == 4) {
      return I(_mm_min_epu8(a, b));
    }
#if defined(__AVX2__)
    else if constexpr (width == 8) {
      return I(_mm256_min_epu8(a, b));
    }
#endif
#if defined(__AVX512BW__)
    else if constexpr (width == 16) {
      return I(_mm512_min_epu8(a, b));
    }
#endif
  }

 private:
  // The saturating packs work on each 128-bit piece alone: four values of b0, of b1, of b2, of b3. A byte
  // shuffle within the piece then brings the four bytes of a lane together.
  template <bool Unsigned>
  QTZ_LANE_OP I pack_quads(I b0, I b1, I b2, I b3) {
    if constexpr (width == 4) {
      const __m128i low = _mm_packs_epi32(b0, b1), high = _mm_packs_epi32(b2, b3);
      const __m128i bytes = Unsigned ? _mm_packus_epi16(low, high) : _mm_packs_epi16(low, high);
      const __m128i even_odd = _mm_unpacklo_epi8(bytes, _mm_unpackhi_epi64(bytes, bytes));
      return I(_mm_unpacklo_epi8(even_odd, _mm_unpackhi_epi64(even_odd, even_odd)));
    }
#if defined(__AVX2__)
    else if constexpr (width == 8) {
      const __m256i low = _mm256_packs_epi32(b0, b1), high = _mm256_packs_epi32(b2, b3);
      const __m256i bytes = Unsigned ? _mm256_packus_epi16(low, high) : _mm256_packs_epi16(low, high);
      return I(_mm256_shuffle_epi8(bytes, _mm256_broadcastsi128_si256(quad_order())));
    }
#endif
#if defined(__AVX512BW__)
    else if constexpr (width == 16) {
      const __m512i low = _mm512_packs_epi32(b0, b1), high = _mm512_packs_epi32(b2, b3);
      const __m512i bytes = Unsigned ? _mm512_packus_epi16(low, high) : _mm512_packs_epi16(low, high);
      return I(_mm512_shuffle_epi8(bytes, _mm512_broadcast_i32x4(quad_order())));
    }
#endif
  }
#if defined(__AVX2__)
  QTZ_LANE_OP __m128i quad_order() {
    return _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  }
#endif

  QTZ_LANE_OP M as_mask(xsimd::batch_bool<std::int32_t, Arch> m) {
    return std::bit_cast<M>(m);
  }

  QTZ_LANE_OP __m128i quarter_register(const std::byte* at) {
    std::int32_t raw;
    std::memcpy(&raw, at, sizeof raw);
    return _mm_cvtsi32_si128(raw);
  }
  QTZ_LANE_OP __m128i half_register(const std::byte* at) {
    return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(at));
  }
  QTZ_LANE_OP __m128i load_128(const std::byte* at) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  }
#if defined(__AVX512BW__)
  QTZ_LANE_OP __m256i load_256(const std::byte* at) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  }
#endif
};

}  // namespace qtz::quants
