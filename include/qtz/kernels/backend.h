// Encoders and decoders of every type behind one table per backend (scalar, sse2, avx2, avx512, ...).
// All backends give the same bytes; they differ in speed only. Chosen once per run; a tile costs one indirect
// call.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "qtz/core/dtype.h"

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

struct KernelTable {
  std::array<EncodeFn, kEncodableCount> encode{};
  std::array<DecodeFn, kDTypeCount> decode{};  ///< null where a carried type cannot be decoded
  FindNonfiniteFn find_nonfinite = nullptr;
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
};

/// Every backend this binary was built with, best first.
std::span<const Backend> list_backends();

/// The backend called `name`; empty means $QTZ_BACKEND if set, else the best supported one. Throws usage,
/// listing the supported ones, for an unknown or unsupported name.
const Backend& select_backend(std::string_view name);

}  // namespace qtz
