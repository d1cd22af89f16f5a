// The two stored forms of an importance matrix, read into the same content.
#pragma once

#include <cstdint>
#include <string_view>

#include "qtz/core/input_file.h"
#include "qtz/formats/imatrix.h"

namespace qtz {

/// Far above the largest published matrix (1.5 GB, of a model with 384 experts).
inline constexpr std::uint64_t kImatrixMaxBytes = std::uint64_t{8} << 30;

/// Lengths of names in a .dat.
inline constexpr std::int32_t kImatrixMaxNameBytes = 4096;

inline constexpr std::string_view kSumsSuffix = ".in_sum2";
inline constexpr std::string_view kCountsSuffix = ".counts";

/// GGUF: tensors NAME.in_sum2 [experts, cols] and NAME.counts [experts, 1], all F32, keys imatrix.*.
StoredImatrix read_imatrix_gguf(const InputFile& file);

/// Legacy .dat: i32 entries; per entry i32 name length, name, i32 calls, i32 values, f32 values; then
/// optionally i32 chunks, i32 length, dataset name.
StoredImatrix read_imatrix_legacy(const InputFile& file);

}  // namespace qtz
