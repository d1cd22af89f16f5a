// Square transposes between memory rows and registers, the only place where values change lanes in an
// encoder: 4 x 4 (SSE2), 8 x 8 (AVX2), 16 x 16 (AVX-512). 128-bit pieces are gathered on the way from memory,
// so that no full-width lane crossing is needed, which is slow on processors that split 256-bit operations.
#pragma once

#include <cstddef>

#include <xsimd/xsimd.hpp>

namespace qtz::quants {

[[gnu::always_inline]] inline void transpose_quad(__m128 (&v)[4]) {
  const __m128 ab_low = _mm_unpacklo_ps(v[0], v[1]), ab_high = _mm_unpackhi_ps(v[0], v[1]);
  const __m128 cd_low = _mm_unpacklo_ps(v[2], v[3]), cd_high = _mm_unpackhi_ps(v[2], v[3]);
  v[0] = _mm_movelh_ps(ab_low, cd_low);
  v[1] = _mm_movehl_ps(cd_low, ab_low);
  v[2] = _mm_movelh_ps(ab_high, cd_high);
  v[3] = _mm_movehl_ps(cd_high, ab_high);
}

template <class F>
[[gnu::always_inline]] inline void transpose_load(const float* const (&rows)[4], F (&out)[4]) {
  __m128 v[4];
  for (int i = 0; i < 4; ++i) v[i] = _mm_loadu_ps(rows[i]);
  transpose_quad(v);
  for (int i = 0; i < 4; ++i) out[i] = F(v[i]);
}

template <class I>
[[gnu::always_inline]] inline void transpose_store(const I (&words)[4], std::byte* const (&rows)[4]) {
  __m128 v[4];
  for (int i = 0; i < 4; ++i) v[i] = _mm_castsi128_ps(words[i]);
  transpose_quad(v);
  for (int i = 0; i < 4; ++i) _mm_storeu_ps(reinterpret_cast<float*>(rows[i]), v[i]);
}

#if defined(__AVX2__)

/// Each 128-bit half is transposed on its own.
[[gnu::always_inline]] inline void transpose_quad(__m256 (&v)[4]) {
  const __m256 ab_low = _mm256_unpacklo_ps(v[0], v[1]), ab_high = _mm256_unpackhi_ps(v[0], v[1]);
  const __m256 cd_low = _mm256_unpacklo_ps(v[2], v[3]), cd_high = _mm256_unpackhi_ps(v[2], v[3]);
  v[0] = _mm256_shuffle_ps(ab_low, cd_low, 0x44);
  v[1] = _mm256_shuffle_ps(ab_low, cd_low, 0xEE);
  v[2] = _mm256_shuffle_ps(ab_high, cd_high, 0x44);
  v[3] = _mm256_shuffle_ps(ab_high, cd_high, 0xEE);
}

template <class F>
[[gnu::always_inline]] inline void transpose_load(const float* const (&rows)[8], F (&out)[8]) {
  for (int half = 0; half < 2; ++half) {
    __m256 v[4];
    for (int i = 0; i < 4; ++i) {
      v[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(rows[i] + 4 * half)),
                                  _mm_loadu_ps(rows[i + 4] + 4 * half), 1);
    }
    transpose_quad(v);
    for (int i = 0; i < 4; ++i) out[4 * half + i] = F(v[i]);
  }
}

template <class I>
[[gnu::always_inline]] inline void transpose_store(const I (&words)[8], std::byte* const (&rows)[8]) {
  for (int half = 0; half < 2; ++half) {
    __m256 v[4];
    for (int i = 0; i < 4; ++i) v[i] = _mm256_castsi256_ps(words[4 * half + i]);
    transpose_quad(v);
    for (int i = 0; i < 4; ++i) {
      _mm_storeu_ps(reinterpret_cast<float*>(rows[i]) + 4 * half, _mm256_castps256_ps128(v[i]));
      _mm_storeu_ps(reinterpret_cast<float*>(rows[i + 4]) + 4 * half, _mm256_extractf128_ps(v[i], 1));
    }
  }
}

#endif

#if defined(__AVX512BW__)

/// Each 128-bit quarter is transposed on its own.
[[gnu::always_inline]] inline void transpose_quad(__m512 (&v)[4]) {
  const __m512 ab_low = _mm512_unpacklo_ps(v[0], v[1]), ab_high = _mm512_unpackhi_ps(v[0], v[1]);
  const __m512 cd_low = _mm512_unpacklo_ps(v[2], v[3]), cd_high = _mm512_unpackhi_ps(v[2], v[3]);
  v[0] = _mm512_shuffle_ps(ab_low, cd_low, 0x44);
  v[1] = _mm512_shuffle_ps(ab_low, cd_low, 0xEE);
  v[2] = _mm512_shuffle_ps(ab_high, cd_high, 0x44);
  v[3] = _mm512_shuffle_ps(ab_high, cd_high, 0xEE);
}

template <class F>
[[gnu::always_inline]] inline void transpose_load(const float* const (&rows)[16], F (&out)[16]) {
  for (int quarter = 0; quarter < 4; ++quarter) {
    __m512 v[4];
    for (int i = 0; i < 4; ++i) {
      v[i] = _mm512_castps128_ps512(_mm_loadu_ps(rows[i] + 4 * quarter));
      v[i] = _mm512_insertf32x4(v[i], _mm_loadu_ps(rows[i + 4] + 4 * quarter), 1);
      v[i] = _mm512_insertf32x4(v[i], _mm_loadu_ps(rows[i + 8] + 4 * quarter), 2);
      v[i] = _mm512_insertf32x4(v[i], _mm_loadu_ps(rows[i + 12] + 4 * quarter), 3);
    }
    transpose_quad(v);
    for (int i = 0; i < 4; ++i) out[4 * quarter + i] = F(v[i]);
  }
}

template <class I>
[[gnu::always_inline]] inline void transpose_store(const I (&words)[16], std::byte* const (&rows)[16]) {
  for (int quarter = 0; quarter < 4; ++quarter) {
    __m512 v[4];
    for (int i = 0; i < 4; ++i) v[i] = _mm512_castsi512_ps(words[4 * quarter + i]);
    transpose_quad(v);
    for (int i = 0; i < 4; ++i) {
      _mm_storeu_ps(reinterpret_cast<float*>(rows[i]) + 4 * quarter, _mm512_castps512_ps128(v[i]));
      _mm_storeu_ps(reinterpret_cast<float*>(rows[i + 4]) + 4 * quarter, _mm512_extractf32x4_ps(v[i], 1));
      _mm_storeu_ps(reinterpret_cast<float*>(rows[i + 8]) + 4 * quarter, _mm512_extractf32x4_ps(v[i], 2));
      _mm_storeu_ps(reinterpret_cast<float*>(rows[i + 12]) + 4 * quarter, _mm512_extractf32x4_ps(v[i], 3));
    }
  }
}

#endif

}  // namespace qtz::quants
