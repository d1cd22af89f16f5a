// Writes a folder as it was planned: copies what stays, quantizes module after module, and gives the folder
// its name when all is there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "qtz/core/output_folder.h"
#include "qtz/core/progress.h"
#include "qtz/kernels/backend.h"
#include "qtz/pipeline/calibrate.h"
#include "qtz/pipeline/folder_plan.h"

namespace qtz {

/// Texts that the model is run over while its modules are quantized.
struct FolderCalibration {
  std::vector<std::uint32_t> tokens;
  CalibrationOptions options;  ///< context, chunks, bos
};

struct FolderRunOptions {
  /// GPTQ with these texts; null: every weight is rounded to the nearest.
  const FolderCalibration* calibration = nullptr;
  unsigned threads = 0;          ///< 0: all cores
  std::uint64_t max_memory = 0;  ///< bytes for the whole process; 0: no limit
  bool overwrite = false;
  std::vector<FileIdentity> protect = {};  ///< files never to write over; the model's are added
  std::shared_ptr<const ImportanceMatrix> importance = nullptr;  ///< weighs errors while scales are searched
};

/// How well a module's weights are kept.
struct ModuleError {
  std::string name;
  double sqnr_db;  ///< 10 log10(signal / error)
};

struct FolderResult {
  double seconds = 0;
  std::uint64_t input_bytes = 0;
  unsigned threads = 0;
  std::vector<ModuleError> worst;               ///< at most three, worst first
  std::vector<std::string> remarks;             ///< about modules: "name: what a person should know"
  std::vector<std::string> without_importance;  ///< modules for which the importance matrix has nothing
};

/// Bytes that execute_folder() takes beside what the process has.
std::uint64_t folder_memory(const FolderPlan& plan);

/// Quantizes every module: by GPTQ with texts, else to the nearest codes, with scales that lose least. Throws
/// numeric for NaN and infinite weights and for weights too large for the scales' type, naming the tensor;
/// resource, output, input_*, interrupted. After a throw nothing is left.
FolderResult execute_folder(const FolderPlan& plan, const std::filesystem::path& output,
                            const Backend& backend, const FolderRunOptions& options, Progress& progress,
                            const CancelToken& cancel);

}  // namespace qtz
