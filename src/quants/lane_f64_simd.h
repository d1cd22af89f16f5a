// The lanes of lane_f64.h on SIMD registers: 2, 4 and 8 sums side by side. Include it only in a file compiled
// for that instruction set.
#pragma once

#include <xsimd/xsimd.hpp>

#include "quants/lane_f64.h"

namespace qtz::quants {

template <class Arch>
struct SimdLaneF64 {
  using F = xsimd::batch<double, Arch>;
  static constexpr std::size_t width = F::size;
  // 8 sums where there are 16 registers, 16 sums where there are 32: enough to hide what an addition takes.
  static constexpr std::size_t tile_rows = width == 8 ? 8 : 4;
  static constexpr std::size_t tile_vectors = 2;

  QTZ_LANE_OP F load(const double* at) { return F::load_unaligned(at); }
  QTZ_LANE_OP void store(double* at, F v) { v.store_unaligned(at); }
};

}  // namespace qtz::quants
