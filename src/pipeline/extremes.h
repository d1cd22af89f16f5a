// Weights that need a second look: NaN, infinities, and finite numbers so large that the half-precision
// scales of quantized blocks may overflow. One cheap pass over the stored bits tells that a tile holds none
// of them, which is nearly always so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "qtz/core/dtype.h"
#include "qtz/core/shape.h"
#include "qtz/kernels/backend.h"

namespace qtz {

/// False if every value of these bytes is finite and below 2^14 in magnitude: no type's scale, which is at
/// most a few times the largest weight of its block, can then leave half precision. Types other than F32, F16
/// and BF16 always get true.
bool may_hold_extremes(DType type, std::span<const std::byte> bytes) noexcept;
bool may_hold_extremes(std::span<const float> values) noexcept;

struct NonfiniteCount {
  std::uint64_t nans = 0;
  std::uint64_t infinities = 0;
  std::uint64_t total() const noexcept { return nans + infinities; }
  NonfiniteCount& operator+=(const NonfiniteCount& other) noexcept;
  /// "3 NaN values", "1 infinite value", "2 NaN and 5 infinite values"
  std::string to_string() const;
};

NonfiniteCount count_nonfinite(std::span<const float> values) noexcept;

/// Whether `bytes` of that type say what `values` say, as far as extremes go: just as many non-finite
/// numbers, and no piece of a quantized row whose error is as large as its signal. That happens when huge
/// weights overflow the scales, or the sums of squares by which the scales are found: the encoder then writes
/// zeros or nonsense.
bool survived_encoding(DType type, std::span<const std::byte> bytes, std::span<const float> values,
                       const Backend& backend) noexcept;

/// "[12, 4031]": where element `index` of a tensor of that shape is.
std::string position_text(const Shape& shape, std::uint64_t index);

}  // namespace qtz
