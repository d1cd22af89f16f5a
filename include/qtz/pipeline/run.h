// The conveyor belt: read a row tile, widen, encode, write at its planned place, on all cores; commit at the
// end. Memory is bounded by threads x tile, whatever the model; the bytes do not depend on threads or
// backend.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "qtz/core/output_file.h"
#include "qtz/core/progress.h"
#include "qtz/kernels/backend.h"
#include "qtz/pipeline/manifest.h"
#include "qtz/pipeline/plan.h"

namespace qtz {

struct RunOptions {
  unsigned threads = 0;          ///< 0: all cores
  std::uint64_t max_memory = 0;  ///< bytes for the whole process as it stands plus the tiles; 0: no limit
  bool overwrite = false;
  /// More files never to write over (imatrix, recipe); the source's are added.
  std::vector<FileIdentity> protect = {};
  /// Write a manifest beside each output (manifest_path) with these facts; null: none.
  const ManifestFacts* manifest = nullptr;
};

/// The error of a quantized tensor, from a sample of its blocks.
struct SampledError {
  std::string name;
  DType type;
  double sqnr_db;  ///< 10 log10(signal / error)
};

struct RunResult {
  std::uint64_t input_bytes = 0;
  std::uint64_t output_bytes = 0;
  double seconds = 0;
  unsigned threads = 0;                        ///< those that worked, fewer than asked for under max_memory
  std::uint64_t replaced_nonfinite = 0;        ///< values zeroed under --on-nan zero
  std::vector<std::filesystem::path> outputs;  ///< and their manifests
  /// Of each plan the three tensors with the lowest signal-to-noise ratio, worst first; fewer where fewer
  /// lose something.
  std::vector<std::vector<SampledError>> worst;
};

/// What execute() takes.
struct MemoryNeed {
  unsigned threads = 1;     ///< those asked for, as far as there is work for them and max_memory has room
  std::uint64_t bytes = 0;  ///< of the whole process: as it stands, plus the tiles
};

/// What execute() would take if it began now. Throws resource when max_memory is too small even for one
/// thread, as execute() does; 0 is no limit.
MemoryNeed memory_need(std::span<const QuantPlan> plans, unsigned threads, std::uint64_t max_memory,
                       bool manifest = false);

/// Bytes of working memory execute() will use for these plans together with that many threads, beside the
/// plans.
std::uint64_t working_memory(std::span<const QuantPlan> plans, unsigned threads);
inline std::uint64_t working_memory(const QuantPlan& plan, unsigned threads) {
  return working_memory({&plan, 1}, threads);
}

/// Where the files of a plan go: `output`, or NAME-00001-of-0000N.gguf when the plan has several files.
std::vector<std::filesystem::path> output_paths(const QuantPlan& plan, const std::filesystem::path& output);

/// Runs several plans over the same source with one read of the input (each tile is read and widened once).
/// outputs[i] belongs to plans[i]. Nothing appears under a final name before everything is written and the
/// inputs are seen to be unchanged; of a split output the first file appears last.
///
/// Throws numeric naming tensor, count and first position for NaN and infinite weights (see OnNan), and for
/// weights too large for the numbers of the chosen type; resource when max_memory is too small even for one
/// thread; output; input_*; interrupted. After a throw no new file is left.
RunResult execute(std::span<const QuantPlan> plans, std::span<const std::filesystem::path> outputs,
                  const Backend& backend, const RunOptions& options, Progress& progress,
                  const CancelToken& cancel);

}  // namespace qtz
