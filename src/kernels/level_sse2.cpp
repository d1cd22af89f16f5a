// 4 problems side by side with SSE2.
#include "quants/lane_f64_simd.h"
#include "quants/lane_simd.h"

#define QTZ_LEVEL sse2
#define QTZ_LEVEL_LANE qtz::quants::SimdLane<xsimd::sse2>
#define QTZ_LEVEL_LANE_F64 qtz::quants::SimdLaneF64<xsimd::sse2>
#include "kernels/instantiate.inl"
