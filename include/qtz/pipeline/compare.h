// Two models, tensor by tensor: what differs, and by how much. Neither is taken to be right; errors are those
// of the second against the first.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "qtz/core/dtype.h"
#include "qtz/core/progress.h"
#include "qtz/core/shape.h"
#include "qtz/kernels/backend.h"
#include "qtz/model/gguf_model.h"

namespace qtz {

inline constexpr std::size_t kHistogramBins = 64;

/// How often values fall into equal parts of -limit .. limit, and how often each code occurs.
struct Histogram {
  double limit = 0;  ///< largest magnitude on either side; 0: nothing was counted
  std::array<std::uint64_t, kHistogramBins> first{};
  std::array<std::uint64_t, kHistogramBins> second{};
  std::map<int, std::uint64_t> codes;  ///< of the second, where its type has codes
};

/// Both sides of one tensor.
struct TensorDifference {
  std::string name;
  std::string role;                    ///< "attn_q", "token_embd": the name without layer and ".weight"
  std::optional<std::uint32_t> layer;  ///< of "blk.N.", "model.layers.N." and the like
  Shape shape;
  DType first_type, second_type;
  std::uint64_t first_bytes = 0, second_bytes = 0;
  std::string problem;  ///< why it could not be compared; the numbers below are then 0
  std::uint64_t nonfinite =
      0;  ///< elements that are NaN or infinite on one side alone; the errors are then infinite
  double rmse = 0;
  double max_abs = 0;
  double relative = 0;  ///< RMS of the error / RMS of the first
  double cosine = 1;
  double sqnr_db = 0;  ///< 10 log10(signal / error); infinite where there is no error
  Histogram histogram;

  bool compared() const noexcept { return problem.empty(); }
  bool equal() const noexcept { return compared() && max_abs == 0 && nonfinite == 0; }
};

/// All tensors of one side, those that the other does not have included.
struct ModelSizes {
  std::uint64_t bytes = 0;
  std::uint64_t elements = 0;
  std::map<DType, std::uint64_t> bytes_by_type;
};

struct ModelComparison {
  std::vector<TensorDifference> tensors;  ///< those both have, in the order of the first
  std::vector<std::string> only_first, only_second;
  std::vector<std::string> keys_only_first, keys_only_second, keys_different;  ///< metadata, sorted
  ModelSizes first_sizes, second_sizes;
};

struct CompareOptions {
  unsigned threads = 0;     ///< 0: all cores
  bool histograms = false;  ///< reads everything twice
};

/// Pairs tensors by their GGUF names. Same numbers for any number of threads and any backend. Memory is
/// bounded by threads x tile. Throws input_*, interrupted.
ModelComparison compare_models(const GgufModel& first, const GgufModel& second, const Backend& backend,
                               const CompareOptions& options, Progress& progress, const CancelToken& cancel);

}  // namespace qtz
