// quantize and plan with a --type that is a folder of safetensors: GPTQ, AWQ, compressed-tensors.
#pragma once

#include <string>
#include <vector>

#include "cli/console.h"
#include "cli/exit_codes.h"
#include "cli/job.h"

namespace qtz::cli {

/// The words of the command line that are for folders alone.
struct FolderFlags {
  std::string method;
  std::string bits;
  std::string group_size;
  bool symmetric = false;
  bool asymmetric = false;
  bool activation_order = false;
  std::string checkpoint_format;
  bool quantizes_head = false;
  CalibrationFlags data;
};

void add_folder_flags(CLI::App& app, FolderFlags& flags);

/// Whether --type asks for a folder. Throws usage when it asks for a folder and for something else.
bool wants_folder(const JobFlags& flags);

/// Throws usage when a flag for folders was given.
void refuse_folder_flags(const FolderFlags& flags);

struct FolderRun {
  bool force = false;
  bool only_plan = false;  ///< shows what would be done
};

ExitCode run_folder_job(const JobFlags& job, const FolderFlags& flags, const FolderRun& run,
                        Console& console);

}  // namespace qtz::cli
