// What the files beside quantized weights say about them: quantization_config, and the model card.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "qtz/core/json.h"
#include "qtz/pipeline/folder_plan.h"

namespace qtz {

/// The object that readers look for in config.json, and some in quantize_config.json. `kept` are the names of
/// matrices that stay as they are although they could be modules.
JsonValue quantization_config(const FolderPlan& plan, const IntegerScheme& usual,
                              const std::vector<std::string>& kept);

/// README.md of the folder.
std::string model_card(const FolderPlan& plan, const IntegerScheme& usual, const FolderOptions& options);

}  // namespace qtz
