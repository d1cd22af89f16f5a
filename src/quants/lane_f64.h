// The lanes of lane.h for f64: the few operations that the texts of factorizations are written in, and the
// lane that does them one double at a time. As there, a lane carries one independent sum.
#pragma once

#include <cstddef>

#include "quants/lane.h"

namespace qtz::quants {

struct ScalarLaneF64 {
  using F = double;
  static constexpr std::size_t width = 1;
  /// The tile of sums that is held in registers: rows, and vectors of each row.
  static constexpr std::size_t tile_rows = 4;
  static constexpr std::size_t tile_vectors = 2;

  // Memory; the pointers need no alignment. On F there are + - * and no fused multiply-add; F(1.5) puts one
  // value in all lanes.
  QTZ_LANE_OP F load(const double* at) { return *at; }
  QTZ_LANE_OP void store(double* at, F v) { *at = v; }
};

}  // namespace qtz::quants
