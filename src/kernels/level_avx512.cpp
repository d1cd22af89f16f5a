// 16 problems side by side with AVX-512.
#include "quants/lane_f64_simd.h"
#include "quants/lane_simd.h"

#define QTZ_LEVEL avx512
#define QTZ_LEVEL_LANE qtz::quants::SimdLane<xsimd::avx512bw>
#define QTZ_LEVEL_LANE_F64 qtz::quants::SimdLaneF64<xsimd::avx512bw>
#include "kernels/instantiate.inl"
