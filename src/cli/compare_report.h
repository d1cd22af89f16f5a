// A comparison in words: the table for people, and the JSON for programs and for the page.
#pragma once

#include <string>

#include "qtz/core/json.h"
#include "qtz/pipeline/compare.h"

namespace qtz::cli {

/// The two models as they were named, and what was found.
struct ComparedModels {
  std::string first, second;
  ModelComparison found;
};

/// Rows in the order of `tensors`.
std::string comparison_table(const ModelComparison& found);

/// "1.54 MB, 5.14 bits per weight".
std::string model_size_text(const ModelSizes& sizes);

JsonValue comparison_json(const ComparedModels& models);

}  // namespace qtz::cli
