// What `qtz eval` found, as text and as JSON.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "qtz/core/json.h"
#include "qtz/model/gguf_model.h"
#include "qtz/model/text_encoder.h"
#include "qtz/pipeline/evaluate.h"

namespace qtz::cli {

struct EvaluatedModels {
  std::span<const std::string> names;
  std::string reference;  ///< empty: none
  std::string data;
  std::uint64_t context;
  const TextEncoder* encoder;
  std::span<const std::uint32_t> tokens;
  Evaluations found;
  std::span<const GgufModel> models;
};

/// A table, smallest model first, and the worst predictions of each.
std::string evaluation_text(const EvaluatedModels& evaluated);
JsonObject evaluation_fields(const EvaluatedModels& evaluated);

}  // namespace qtz::cli
