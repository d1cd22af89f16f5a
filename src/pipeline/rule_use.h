// Whether what a person wrote about tensors found any: a rule that matches nothing is a slip of the pen, and
// is said instead of being obeyed to no effect.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "qtz/pipeline/recipe.h"

namespace qtz {

/// ", did you mean attn_v?" when a name, or a part of one between dots, is near to the pattern; else empty.
std::string suggest_name(std::string_view pattern, std::span<const std::string_view> names);

/// "'a', 'b', 'c', ...": the first few of a list.
std::string quoted_list(std::span<const std::string_view> items);

/// Throws usage for a --tensor-type that matches no tensor. Warns of one that matches only tensors that are
/// never quantized, of recipe lines that match none, and of options for parts that the model does not have.
/// `choices` are choose_types' for these tensors and options; the answer is the same for every file type.
void check_type_rules(const TypeOptions& options, std::span<const ModelTensor> tensors,
                      std::span<const TensorChoice> choices, std::vector<std::string>& warnings);

}  // namespace qtz
