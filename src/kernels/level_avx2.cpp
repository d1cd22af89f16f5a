// 8 problems side by side with AVX2.
#include "quants/lane_f64_simd.h"
#include "quants/lane_simd.h"

#define QTZ_LEVEL avx2
#define QTZ_LEVEL_LANE qtz::quants::SimdLane<xsimd::avx2>
#define QTZ_LEVEL_LANE_F64 qtz::quants::SimdLaneF64<xsimd::avx2>
#include "kernels/instantiate.inl"
