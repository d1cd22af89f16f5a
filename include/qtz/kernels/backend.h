// Encoders and decoders of every type, and tiles of f64 products, behind one table per backend (scalar, sse2,
// avx2, avx512, ...). All backends give the same bytes; they differ in speed only. Chosen once per run; a
// tile costs one indirect call.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "qtz/core/dtype.h"
#include "qtz/quants/group_quantize_job.h"

namespace qtz {

/// Encodes `rows` rows of `cols` floats, row-major and contiguous, into rows of row_bytes(type, cols) bytes.
/// `importance` is null or holds `cols` weights >= 0 used for every row. Values must be finite. `cols` is a
/// whole number of blocks. Same result however the rows of a tensor are cut into calls.
using EncodeFn = void (*)(const float* x, const float* importance, std::uint64_t rows, std::uint64_t cols,
                          std::byte* out) noexcept;

/// Decodes `elems` elements (whole blocks) into floats. `in` need not be aligned.
using DecodeFn = void (*)(const std::byte* in, float* x, std::uint64_t elems) noexcept;

/// Index of the first element that is NaN or infinite, or `elems`.
using FindNonfiniteFn = std::uint64_t (*)(const float* x, std::uint64_t elems) noexcept;

/// Tiles of f64 that blocked factorizations are made of (linalg/cholesky.h). Their operands lie in strips,
/// kTileCols elements wide: element (t, lane) of a strip is strip[t * kTileCols + lane].
inline constexpr std::uint64_t kTileRows = 8;
inline constexpr std::uint64_t kTileCols = 16;

/// c[r * stride + j] -= a(t, r) * b(t, j) for t = 0 .. depth - 1, one after the other and each rounded twice,
/// for every r < kTileRows and j < kTileCols. `a` may begin inside a strip.
using SubtractProductFn = void (*)(const double* a, const double* b, std::uint64_t depth, double* c,
                                   std::uint64_t stride) noexcept;

/// Solves L x = c in place for kTileRows rows of a strip: L is a lower triangle with a(t, r) in row r, column
/// t < r, and `reciprocals` are those of its diagonal. Products are taken off in the order of t.
using SolveTriangleFn = void (*)(const double* a, const double* reciprocals, double* c) noexcept;

/// weight ~ scale * (code - zero). Source: Frantar et al. 2022, "GPTQ", Algorithm 1.
using GroupQuantizeFn = void (*)(const GroupQuantizeJob& job) noexcept;

struct KernelTable {
  std::array<EncodeFn, kEncodableCount> encode{};
  std::array<DecodeFn, kDTypeCount> decode{};  ///< null where a carried type cannot be decoded
  FindNonfiniteFn find_nonfinite = nullptr;
  SubtractProductFn subtract_product = nullptr;
  SolveTriangleFn solve_triangle = nullptr;
  GroupQuantizeFn group_quantize = nullptr;
};

struct Backend {
  std::string_view name;         ///< "avx2"
  std::string_view description;  ///< "AVX2, 8 lanes"
  bool supported;                ///< by this processor and operating system
  const KernelTable* table;      ///< null when not supported or not built

  void encode(DType type, const float* x, const float* importance, std::uint64_t rows, std::uint64_t cols,
              std::byte* out) const noexcept;
  /// True if `type` can be turned into floats.
  bool can_decode(DType type) const noexcept;
  void decode(DType type, const std::byte* in, float* x, std::uint64_t elems) const noexcept;
  std::uint64_t find_nonfinite(const float* x, std::uint64_t elems) const noexcept;
  void group_quantize(const GroupQuantizeJob& job) const noexcept;
};

/// Every backend this binary was built with, best first.
std::span<const Backend> list_backends();

/// The backend called `name`; empty means $QTZ_BACKEND if set, else the best supported one. Throws usage,
/// listing the supported ones, for an unknown or unsupported name.
const Backend& select_backend(std::string_view name);

}  // namespace qtz
