// What a blocked factorization does with tiles of f64, in the order of the textbook's loops: every element
// takes one product after the other from what it was. Lanes and registers hold independent elements. A tile
// has Rows x Cols elements; its operands lie in strips of Cols columns (qtz/kernels/backend.h).
#pragma once

#include <cstddef>
#include <cstdint>

#include "quants/lane_f64.h"

namespace qtz::quants {

/// The part of a tile that fits into registers.
template <class L, std::size_t Cols>
QTZ_LANE_OP void subtract_part(const double* a, const double* b, std::uint64_t depth, double* c,
                               std::uint64_t stride) {
  using F = typename L::F;
  constexpr std::size_t kRows = L::tile_rows;
  constexpr std::size_t kVectors = L::tile_vectors;
  F sums[kRows][kVectors];
#pragma GCC unroll 8
  for (std::size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (std::size_t v = 0; v < kVectors; ++v) sums[r][v] = L::load(c + r * stride + v * L::width);
  }
  for (std::uint64_t t = 0; t < depth; ++t) {
    F across[kVectors];
#pragma GCC unroll 8
    for (std::size_t v = 0; v < kVectors; ++v) across[v] = L::load(b + v * L::width);
#pragma GCC unroll 8
    for (std::size_t r = 0; r < kRows; ++r) {
      const double scalar = a[r];
      const F down(scalar);
#pragma GCC unroll 8
      for (std::size_t v = 0; v < kVectors; ++v) sums[r][v] = sums[r][v] - down * across[v];
    }
    a += Cols;
    b += Cols;
  }
#pragma GCC unroll 8
  for (std::size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (std::size_t v = 0; v < kVectors; ++v) L::store(c + r * stride + v * L::width, sums[r][v]);
  }
}

/// KernelTable::subtract_product.
template <class L, std::size_t Rows, std::size_t Cols>
void subtract_product(const double* a, const double* b, std::uint64_t depth, double* c,
                      std::uint64_t stride) noexcept {
  constexpr std::size_t kPartCols = L::tile_vectors * L::width;
  static_assert(Rows % L::tile_rows == 0 && Cols % kPartCols == 0);
  // The tiles of a row are taken from left to right: what is to the right of this one is next.
  for (std::uint64_t r = 0; r < Rows; ++r) {
    __builtin_prefetch(c + r * stride + Cols, 1);
    __builtin_prefetch(c + r * stride + Cols + Cols / 2, 1);
  }
  for (std::uint64_t row = 0; row < Rows; row += L::tile_rows) {
    for (std::uint64_t col = 0; col < Cols; col += kPartCols) {
      subtract_part<L, Cols>(a + row, b + col, depth, c + row * stride + col, stride);
    }
  }
}

/// KernelTable::solve_triangle.
template <class L, std::size_t Rows, std::size_t Cols>
void solve_triangle(const double* a, const double* reciprocals, double* c) noexcept {
  using F = typename L::F;
  for (std::uint64_t col = 0; col < Cols; col += L::width) {
    F rows[Rows];
#pragma GCC unroll 8
    for (std::uint64_t r = 0; r < Rows; ++r) {
      F sum = L::load(c + r * Cols + col);
#pragma GCC unroll 8
      for (std::uint64_t t = 0; t < r; ++t) {
        const double scalar = a[t * Cols + r];
        sum = sum - F(scalar) * rows[t];
      }
      const double reciprocal = reciprocals[r];
      rows[r] = sum * F(reciprocal);
      L::store(c + r * Cols + col, rows[r]);
    }
  }
}

}  // namespace qtz::quants
