#include "importance_use.h"

#include <algorithm>

#include "file_types.h"
#include "qtz/core/error.h"
#include "rule_use.h"
#include "tensor_role.h"

namespace qtz {
namespace {

/// Rows of the last two dimensions share a set of values; outer dimensions are experts.
std::uint64_t experts_of(const Shape& shape) noexcept {
  std::uint64_t experts = 1;
  for (std::size_t axis = 0; axis + 2 < shape.rank(); ++axis) experts *= shape[axis];
  return experts;
}

bool needs_importance(const FileType& file_type, const PlanEntry& entry) noexcept {
  if (entry.copied() || entry.fixed) return false;
  const TensorRole role = role_of(entry.name);
  if (role == TensorRole::output || role == TensorRole::token_embedding) return false;
  // Q2_K does without importance, except in the file type that has nothing but Q2_K.
  const bool small = mix_of(file_type) == Mix::q2_k_s && entry.type == DType::q2_k;
  return small || traits(entry.type).needs_importance;
}

}  // namespace

ImportanceUse::ImportanceUse(const ImportanceMatrix* matrix, std::span<const std::string> include,
                             std::span<const std::string> exclude, std::span<const ModelTensor> tensors,
                             const LayerPruning& pruning)
    : matrix_(matrix), include_(include.begin(), include.end()), exclude_(exclude.begin(), exclude.end()) {
  if (matrix_ == nullptr) return;
  names_ = matrix_->names();
  require_same_model(tensors);
  require_matches("--include-weights", include_);
  require_matches("--exclude-weights", exclude_);
  used_ = std::any_of(tensors.begin(), tensors.end(), [&](const ModelTensor& tensor) {
    return in_use(tensor.name) && !matrix_->find(tensor.name).empty() && pruning.renamed(tensor.name);
  });
}

void ImportanceUse::require_same_model(std::span<const ModelTensor> tensors) const {
  const auto has_entry = [&](const ModelTensor& tensor) { return !matrix_->find(tensor.name).empty(); };
  if (std::any_of(tensors.begin(), tensors.end(), has_entry)) return;
  const std::vector<std::string_view> names(names_.begin(), names_.end());
  throw Error(ErrorKind::input_invalid,
              matrix_->name() +
                  ": the importance matrix is of another model: it has no entry for any tensor" +
                  (names.empty() ? "" : ", but for " + quoted_list(names)),
              "make one of this model with llama-imatrix, or leave --imatrix out");
}

void ImportanceUse::require_matches(std::string_view flag, std::span<const std::string> words) const {
  for (const std::string& word : words) {
    const auto has_word = [&](const std::string& name) { return name.find(word) != std::string::npos; };
    if (std::any_of(names_.begin(), names_.end(), has_word)) continue;
    const std::vector<std::string_view> names(names_.begin(), names_.end());
    throw Error(ErrorKind::usage,
                std::string(flag) + " '" + printable(word) + "' is part of no name in " + matrix_->name() +
                    suggest_name(word, names),
                "it is a piece of a name, not a pattern, and case matters");
  }
}

bool ImportanceUse::in_use(std::string_view name) const noexcept {
  const auto is_part = [&](const std::string& part) { return name.find(part) != std::string_view::npos; };
  if (std::any_of(exclude_.begin(), exclude_.end(), is_part)) return false;
  return include_.empty() || std::any_of(include_.begin(), include_.end(), is_part);
}

std::span<const float> ImportanceUse::find(std::string_view name, const Shape& shape) const {
  if (matrix_ == nullptr || !in_use(name)) return {};
  const std::span<const float> values = matrix_->find(name);
  if (values.empty() || shape.elements() == 0) return {};
  const std::uint64_t cols = shape.cols();
  const std::uint64_t experts = experts_of(shape);
  if (values.size() % cols == 0 && values.size() / cols == experts) return values;
  if (role_of(name) == TensorRole::token_embedding) return {};
  throw Error(ErrorKind::input_invalid,
              matrix_->name() + ": tensor '" + printable(name) + "' has " + std::to_string(values.size()) +
                  " importance values, but its shape " + shape.to_string() + " wants " +
                  std::to_string(cols) + (experts > 1 ? " x " + std::to_string(experts) : ""),
              "the importance matrix is of another model");
}

void ImportanceUse::describe(KvList& metadata) const {
  if (!used_) return;
  const auto in_use_count =
      std::count_if(names_.begin(), names_.end(), [&](const std::string& name) { return in_use(name); });
  if (!matrix_->path().empty())
    metadata.set("quantize.imatrix.file", without_controls(matrix_->path().filename().native()));
  if (!matrix_->datasets().empty())
    metadata.set("quantize.imatrix.dataset", without_controls(matrix_->datasets().front()));
  metadata.set("quantize.imatrix.entries_count", static_cast<std::uint32_t>(in_use_count));
  if (matrix_->chunks() > 0)
    metadata.set("quantize.imatrix.chunks_count", static_cast<std::uint32_t>(matrix_->chunks()));
}

void require_importance(const FileType& file_type, std::span<const PlanEntry> entries) {
  constexpr std::size_t kShown = 8;
  std::vector<std::string> missing;
  for (const PlanEntry& entry : entries) {
    if (!entry.importance.empty() || !needs_importance(file_type, entry)) continue;
    missing.push_back(printable(entry.name) + " (" + std::string(name_of(entry.type)) + ")");
  }
  if (missing.empty()) return;
  std::string list;
  for (std::size_t i = 0; i < std::min(kShown, missing.size()); ++i) {
    list += (i == 0 ? "" : ", ") + missing[i];
  }
  if (missing.size() > kShown) list += " and " + std::to_string(missing.size() - kShown) + " more";
  throw Error(ErrorKind::usage,
              std::string(file_type.name) + " needs importance values for " + std::to_string(missing.size()) +
                  " tensors that have none: " + list,
              "give an importance matrix of this model with --imatrix, or choose a larger type");
}

}  // namespace qtz
