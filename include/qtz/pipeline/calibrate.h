// Activation statistics of a model over a text: what an importance matrix is made of.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "qtz/core/progress.h"
#include "qtz/formats/imatrix.h"
#include "qtz/forward/activation_statistics.h"
#include "qtz/forward/decoder.h"
#include "qtz/kernels/backend.h"
#include "qtz/model/gguf_model.h"

namespace qtz {

struct CalibrationOptions {
  std::uint64_t context = 512;          ///< tokens of a window
  std::uint64_t chunks = 0;             ///< windows; 0: as many as the text has
  std::optional<std::uint32_t> bos;     ///< replaces the first token of every window
  bool process_output = false;          ///< also what goes into output.weight
  unsigned threads = 0;                 ///< 0: all cores
  std::uint64_t batch = kDefaultBatch;  ///< tokens that are run at a time, as whole windows
  std::uint64_t max_memory = 0;         ///< bytes; 0: what the machine has left
  /// Where what is known so far is kept for a run that is started again after a kill; empty: nowhere.
  std::filesystem::path checkpoint;
  std::chrono::seconds checkpoint_interval{60};
};

struct Calibration {
  ActivationStatistics statistics;
  std::uint64_t windows = 0;
  std::uint64_t context = 0;
  std::vector<std::string> warnings;  ///< experts that no token reached
};

/// Runs the model over the text, layer by layer. Throws as evaluate() does, and output for a checkpoint's
/// name that something else has.
Calibration calibrate(const GgufModel& model, std::span<const std::uint32_t> tokens,
                      const CalibrationOptions& options, const Backend& backend, Progress& progress,
                      const CancelToken& cancel);

/// The run is over and its matrix is written. Leaves other files alone.
void remove_checkpoint(const std::filesystem::path& path);

/// What write_imatrix() writes of it. `datasets`: names of the texts, without folders.
StoredImatrix to_imatrix(const Calibration& calibration, std::vector<std::string> datasets);

}  // namespace qtz
