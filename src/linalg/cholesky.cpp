// H = V V^T with V upper triangular is the Cholesky factorization of H with its rows and columns in reverse,
// and U = V^-1. Both are made in one pass over blocks of rows and columns, last to first. For the block K:
//
//   1. V_KK from H_KK;
//   2. X = V_KK^-1 Y, where Y is, column by column, H_JK^T for J < K, the identity for J = K and W_KJ for J >
//   K:
//      that is V_JK^T, and the finished rows of U. W, the unfinished ones, is where V was;
//   3. of all rows I above K, H_IJ for J < K and W_IJ for J >= K lose V_IK X_J.
//
// Each element is one sum whose terms come in the order of the textbook's loops, k from high to low, however
// blocks are cut. Inside a block, t = last - k counts from its end, so that loops and triangles run forward.
#include "qtz/linalg/cholesky.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <limits>
#include <vector>

#include "qtz/core/checked.h"
#include "qtz/core/error.h"
#include "qtz/core/parallel.h"

namespace qtz {

namespace {

/// Rows and columns of a block, whole strips: long enough that step 3 is mostly products, short enough that
/// the rest is little and two strips fit the first cache.
constexpr std::uint64_t kBlock = 64;
/// A piece of step 3: the strips of its columns fit the second cache.
constexpr std::uint64_t kPieceRows = 64;
constexpr std::uint64_t kPieceStrips = 32;
/// A piece of step 2.
constexpr std::uint64_t kSolvedStrips = 4;

static_assert(kBlock % kTileCols == 0 && kTileCols % kTileRows == 0 && kPieceRows % kTileCols == 0);

/// One row of a strip.
struct alignas(64) StripRow {
  std::array<double, kTileCols> lanes;
};

constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t to) {
  return (value + to - 1) / to * to;
}

constexpr std::uint64_t kNone = std::numeric_limits<std::uint64_t>::max();

class InverseFactorization {
 public:
  InverseFactorization(std::span<double> matrix, std::uint64_t n, const Backend& backend)
      : matrix_(matrix.data()),
        n_(n),
        kernels_(*backend.table),
        triangle_(kBlock / kTileCols * kBlock),
        strips_(round_up(n, kTileCols) / kTileCols * kBlock) {}

  std::optional<std::uint64_t> run(unsigned threads, const CancelToken& cancel) {
    for (std::uint64_t end = n_; end > 0; end = begin_) {
      begin_ = (end - 1) / kBlock * kBlock;
      end_ = end;
      read_triangle();
      if (const auto failed = factor_triangle()) return failed;
      const std::uint64_t count = strip_count();
      parallel_for((count + kSolvedStrips - 1) / kSolvedStrips, threads, cancel,
                   [&](unsigned, std::uint64_t piece) {
                     const std::uint64_t last = std::min(count, (piece + 1) * kSolvedStrips);
                     for (std::uint64_t strip = piece * kSolvedStrips; strip < last; ++strip) solve(strip);
                   });
      if (last_nonfinite_ != kNone) return last_nonfinite_;
      list_pieces();
      parallel_for(pieces_.size(), threads, cancel,
                   [&](unsigned, std::uint64_t index) { update(pieces_[index]); });
    }
    return std::nullopt;
  }

 private:
  struct Piece {
    std::uint64_t row;
    std::uint64_t strip;
  };

  double& element(std::uint64_t row, std::uint64_t col) { return matrix_[row * n_ + col]; }
  std::uint64_t strip_count() const { return round_up(n_, kTileCols) / kTileCols; }
  /// Rows of the block, and rows of its strips in use: what is beyond the block is the identity.
  std::uint64_t block_rows() const { return end_ - begin_; }
  std::uint64_t padded_rows() const { return round_up(block_rows(), kTileRows); }
  std::uint64_t row_of(std::uint64_t t) const { return end_ - 1 - t; }

  double* triangle_strip(std::uint64_t strip) { return triangle_[strip * kBlock].lanes.data(); }
  double* strip_of(std::uint64_t strip) { return strips_[strip * kBlock].lanes.data(); }

  /// Element (t, lane) of triangle strip s: row 16 s + lane, column t of the block's lower triangle.
  void read_triangle() {
    const std::uint64_t rows = block_rows();
    for (std::uint64_t strip = 0; strip * kTileCols < rows; ++strip) {
      double* out = triangle_strip(strip);
      std::fill_n(out, padded_rows() * kTileCols, 0.0);
      for (std::uint64_t lane = 0; lane < kTileCols; ++lane) {
        const std::uint64_t row = strip * kTileCols + lane;
        if (row < rows) {
          const double* from = &element(row_of(row), row_of(row));
          for (std::uint64_t t = 0; t <= row; ++t) out[t * kTileCols + lane] = from[row - t];
        } else if (row < padded_rows()) {
          out[row * kTileCols + lane] = 1.0;
        }
      }
    }
  }

  /// Step 1: the triangle that read_triangle has read, but for its diagonal, of which reciprocals_ are made.
  std::optional<std::uint64_t> factor_triangle() {
    const std::uint64_t rows = padded_rows();
    for (std::uint64_t t = 0; t < rows; t += kTileRows) {
      const std::uint64_t own = t / kTileCols;
      const std::uint64_t lane = t % kTileCols;
      // Tile (t, lane) of the own strip once more, as what the strips are solved with while it changes.
      std::array<double, kTileRows * kTileCols> corner;
      for (std::uint64_t strip = own; strip * kTileCols < rows; ++strip) {
        double* tile = triangle_strip(strip) + t * kTileCols;
        kernels_.subtract_product(triangle_strip(own) + lane, triangle_strip(strip), t, tile, kTileCols);
        if (strip == own) {
          std::fill(corner.begin(), corner.end(), 0.0);
          for (std::uint64_t r = 0; r < kTileRows; ++r) {
            std::copy_n(tile + r * kTileCols + lane, kTileRows, corner.data() + r * kTileCols);
          }
          if (const auto failed = factor_corner(corner.data(), &reciprocals_[t])) return row_of(t + *failed);
        }
        kernels_.solve_triangle(corner.data(), &reciprocals_[t], tile);
      }
    }
    return std::nullopt;
  }

  /// The Cholesky factorization of kTileRows rows: element (t, r) of `corner` is row r, column t.
  static std::optional<std::uint64_t> factor_corner(double* corner, double* reciprocals) {
    for (std::uint64_t t = 0; t < kTileRows; ++t) {
      const double* column = corner + t * kTileCols;
      const double pivot = column[t];
      if (!(pivot > 0.0 && pivot <= std::numeric_limits<double>::max())) return t;
      reciprocals[t] = 1.0 / std::sqrt(pivot);
      for (std::uint64_t r = t + 1; r < kTileRows; ++r) corner[t * kTileCols + r] *= reciprocals[t];
      for (std::uint64_t later = t + 1; later < kTileRows; ++later) {
        for (std::uint64_t r = later; r < kTileRows; ++r) {
          corner[later * kTileCols + r] -= column[later] * column[r];
        }
      }
    }
    return std::nullopt;
  }

  /// Step 2 for the columns of one strip.
  void solve(std::uint64_t strip) {
    double* x = strip_of(strip);
    read_strip(strip, x);
    for (std::uint64_t t = 0; t < padded_rows(); t += kTileRows) {
      const double* a = triangle_strip(t / kTileCols) + t % kTileCols;
      double* tile = x + t * kTileCols;
      kernels_.subtract_product(a, x, t, tile, kTileCols);
      kernels_.solve_triangle(a + t * kTileCols, &reciprocals_[t], tile);
    }
    if (strip * kTileCols >= begin_) write_strip(strip, x);
  }

  /// Y of step 2. Where W of this block's columns begins, above it, is zero from now on.
  void read_strip(std::uint64_t strip, double* x) {
    const std::uint64_t col = strip * kTileCols;
    const std::uint64_t rows = block_rows();
    std::fill_n(x + rows * kTileCols, (padded_rows() - rows) * kTileCols, 0.0);
    if (col < begin_) {
      for (std::uint64_t lane = 0; lane < kTileCols; ++lane) {
        double* from = &element(col + lane, begin_);
        for (std::uint64_t t = 0; t < rows; ++t) x[t * kTileCols + lane] = from[rows - 1 - t];
        std::fill_n(from, rows, 0.0);
      }
      return;
    }
    const std::uint64_t cols = std::min(kTileCols, n_ - col);
    for (std::uint64_t t = 0; t < rows; ++t) {
      double* out = x + t * kTileCols;
      const std::uint64_t row = row_of(t);
      if (col < end_) {
        for (std::uint64_t lane = 0; lane < kTileCols; ++lane) out[lane] = col + lane == row ? 1.0 : 0.0;
      } else {
        std::copy_n(&element(row, col), cols, out);
        std::fill(out + cols, out + kTileCols, 0.0);
      }
    }
  }

  /// Finished rows of U.
  void write_strip(std::uint64_t strip, const double* x) {
    const std::uint64_t col = strip * kTileCols;
    const std::uint64_t cols = std::min(kTileCols, n_ - col);
    for (std::uint64_t t = 0; t < block_rows(); ++t) {
      const std::uint64_t row = row_of(t);
      const double* from = x + t * kTileCols;
      const std::uint64_t first = row > col ? std::min(row - col, cols) : 0;
      std::copy(from + first, from + cols, &matrix_[row * n_ + col + first]);
      if (!std::all_of(from + first, from + cols, [](double value) { return std::isfinite(value); })) {
        note_nonfinite(row);
      }
    }
  }

  void note_nonfinite(std::uint64_t row) {
    std::uint64_t seen = last_nonfinite_.load(std::memory_order_relaxed);
    while ((seen == kNone || seen < row) &&
           !last_nonfinite_.compare_exchange_weak(seen, row, std::memory_order_relaxed)) {
    }
  }

  void list_pieces() {
    pieces_.clear();
    for (std::uint64_t strip = 0; strip < strip_count(); strip += kPieceStrips) {
      for (std::uint64_t row = 0; row < begin_ && row < (strip + kPieceStrips) * kTileCols;
           row += kPieceRows) {
        pieces_.push_back({row, strip});
      }
    }
  }

  /// Step 3 for a piece of the matrix, from the diagonal on.
  void update(const Piece& piece) {
    const std::uint64_t end_row = std::min(begin_, piece.row + kPieceRows);
    const std::uint64_t end_strip = std::min(strip_count(), piece.strip + kPieceStrips);
    for (std::uint64_t row = piece.row; row < end_row; row += kTileRows) {
      const double* a = strip_of(row / kTileCols) + row % kTileCols;
      for (std::uint64_t strip = std::max(piece.strip, row / kTileCols); strip < end_strip; ++strip) {
        const std::uint64_t col = strip * kTileCols;
        if (col >= row + kTileRows - 1 && col + kTileCols <= n_) {
          kernels_.subtract_product(a, strip_of(strip), block_rows(), &element(row, col), n_);
        } else {
          update_edge(a, row, strip);
        }
      }
    }
  }

  /// A tile that the diagonal or the last column cuts.
  void update_edge(const double* a, std::uint64_t row, std::uint64_t strip) {
    const std::uint64_t col = strip * kTileCols;
    const std::uint64_t cols = std::min(kTileCols, n_ - col);
    alignas(64) std::array<double, kTileRows * kTileCols> tile{};
    const auto for_each_row = [&](auto fn) {
      for (std::uint64_t r = 0; r < kTileRows; ++r) {
        const std::uint64_t first = row + r > col ? std::min(row + r - col, cols) : 0;
        fn(tile.data() + r * kTileCols + first, matrix_ + (row + r) * n_ + col + first, cols - first);
      }
    };
    for_each_row([](double* in, const double* at, std::uint64_t count) { std::copy_n(at, count, in); });
    kernels_.subtract_product(a, strip_of(strip), block_rows(), tile.data(), kTileCols);
    for_each_row([](const double* in, double* at, std::uint64_t count) { std::copy_n(in, count, at); });
  }

  double* matrix_;
  std::uint64_t n_;
  const KernelTable& kernels_;
  std::uint64_t begin_ = 0;  ///< the block
  std::uint64_t end_ = 0;
  std::vector<StripRow> triangle_;  ///< V_KK, reversed: kBlock rows for each strip of its rows
  std::array<double, kBlock> reciprocals_{};
  std::vector<StripRow> strips_;  ///< Y and then X: kBlock rows for each strip of the matrix's columns
  std::vector<Piece> pieces_;
  std::atomic<std::uint64_t> last_nonfinite_{kNone};
};

}  // namespace

std::optional<std::uint64_t> factor_inverse(std::span<double> matrix, std::uint64_t n, const Backend& backend,
                                            unsigned threads, const CancelToken& cancel) {
  QTZ_CHECK(backend.table != nullptr && checked_mul(n, n) == matrix.size());
  return InverseFactorization(matrix, n, backend).run(resolve_threads(threads), cancel);
}

}  // namespace qtz
