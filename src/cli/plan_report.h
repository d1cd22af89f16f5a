// A plan in words: the pre-flight on stderr, the recipe and the JSON on stdout.
#pragma once

#include <string>
#include <vector>

#include "cli/console.h"
#include "cli/job.h"
#include "qtz/core/json.h"

namespace qtz::cli {

/// "Q4_K 14, Q6_K 4, F32 7": how many tensors of each stored type, in the order of DType.
std::string type_counts(const QuantPlan& plan);

/// A few lines on stderr before work starts: architecture, parameters, tokenizer, and for every output its
/// types, size, bits per weight and name; then disk, memory and time. Warnings of model and plans follow.
void print_preflight(const Job& job, Console& console);

/// Recipe text of the plan with sizes and reasons as comments; read_recipe accepts it.
std::string plan_text(const Job& job, std::size_t index);

JsonValue plan_json(const Job& job, const std::string& input);

/// The data of `plan` and `quantize --dry-run` on stdout: recipe text, or JSON with --json.
void print_plan(const Job& job, const JobFlags& flags, Console& console);

}  // namespace qtz::cli
