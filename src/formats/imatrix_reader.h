// The two stored forms of an importance matrix, read into the same content.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "qtz/core/input_file.h"
#include "qtz/formats/imatrix.h"

namespace qtz {

struct ImatrixContent {
  ImportanceMatrix::Entries entries;
  std::vector<std::string> datasets;  ///< as stored, with folders
  std::uint32_t chunks = 0;
  std::vector<std::string> warnings;
};

/// Far above the largest published matrix (1.5 GB, of a model with 384 experts).
inline constexpr std::uint64_t kImatrixMaxBytes = std::uint64_t{8} << 30;

/// The mean of a squared activation is far from both. Above, the sums of the encoders overflow and write
/// blocks that are not numbers; what is below everywhere would make them write zeros.
inline constexpr float kLargestImportance = 1e15f;
inline constexpr float kSmallestImportance = 1e-20f;

/// Throws input_invalid, with `subject` before the message, for a value above kLargestImportance. Values that
/// are all below kSmallestImportance become 1 each, and the answer is false.
bool settle_importance(std::span<float> values, const std::string& subject);

/// GGUF: tensors NAME.in_sum2 [experts, cols] and NAME.counts [experts, 1], all F32, keys imatrix.*.
ImatrixContent read_imatrix_gguf(const InputFile& file);

/// Legacy .dat: i32 entries; per entry i32 name length, name, i32 calls, i32 values, f32 values; then
/// optionally i32 chunks, i32 length, dataset name.
ImatrixContent read_imatrix_legacy(const InputFile& file);

}  // namespace qtz
