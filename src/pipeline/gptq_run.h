// GPTQ over a whole model: texts run through it, and layer after layer is quantized on the way.
#pragma once

#include <string>
#include <vector>

#include "gptq_modules.h"
#include "qtz/pipeline/folder_run.h"

namespace qtz {

/// Every module of the plan, in the order in which the model reaches them. Where memory has room for all
/// tokens of a layer at once, a module's inputs come from the quantized ones before it in the same layer;
/// else from the quantized layers before it. Returns what a person should know. Throws as execute_folder()
/// does.
std::vector<std::string> run_gptq(const FolderPlan& plan, const FolderCalibration& calibration,
                                  const Backend& backend, const FolderRunOptions& options,
                                  const GptqModules::Done& done, Progress& progress,
                                  const CancelToken& cancel);

}  // namespace qtz
