// How fast the kernels of one backend are on this machine: one core, fastest of several repetitions, next to
// memcpy. The numbers are for people; nothing decides anything by them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "qtz/core/dtype.h"
#include "qtz/kernels/backend.h"

namespace qtz {

struct BenchOptions {
  std::uint64_t weights = std::uint64_t{1}
                          << 22;     ///< elements per repetition, fewer for kernels that would take long
  int repetitions = 5;               ///< the fastest counts
  double longest_repetition = 0.25;  ///< seconds; a slower kernel gets fewer elements
  bool with_importance = true;       ///< also time importance-weighted encoding
  bool with_decode = true;
};

struct BenchResult {
  enum class Operation { copy, find_nonfinite, encode, encode_importance, decode };
  Operation operation;
  DType type;             ///< f32 for copy and find_nonfinite
  std::uint64_t weights;  ///< elements of one repetition
  double seconds;         ///< of the fastest repetition
  double weights_per_second;
  double input_gb_per_second;  ///< 10^9 bytes read per second: floats when encoding, blocks when decoding
};

/// "memcpy", "find_nonfinite", "encode", "encode+importance" or "decode".
std::string_view name_of(BenchResult::Operation operation) noexcept;

/// Times memcpy and find_nonfinite, then the kernels of each type (encoders of encodable types, decoders
/// where there are some), on normally distributed rows of 4096 elements. The backend must be supported.
std::vector<BenchResult> run_kernel_bench(std::span<const DType> types, const Backend& backend,
                                          const BenchOptions& options);

}  // namespace qtz
