// Which tensors of a plan get importance values, and whether those that must have them do.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "prune.h"
#include "qtz/formats/imatrix.h"
#include "qtz/pipeline/plan.h"

namespace qtz {

/// An importance matrix seen through --include-weights and --exclude-weights, on one model.
class ImportanceUse {
 public:
  /// `matrix` may be null. Throws input_invalid when it is of another model (no entry is of one of the
  /// tensors), usage when a word to include or exclude is part of no entry's name.
  ImportanceUse(const ImportanceMatrix* matrix, std::span<const std::string> include,
                std::span<const std::string> exclude, std::span<const ModelTensor> tensors,
                const LayerPruning& pruning);

  /// True when an entry in use is of a tensor that stays; otherwise the matrix has no say. Then, as for
  /// llama-quantize, the mix counts on importance, also for tensors that have none.
  bool is_used() const noexcept { return used_; }

  /// Values for the tensor, empty if there are none in use. Throws input_invalid when their number does not
  /// fit the shape: cols, or one set per expert. Embeddings are forgiven, for the collector counts them
  /// wrongly.
  std::span<const float> find(std::string_view name, const Shape& shape) const;

  /// Adds quantize.imatrix.* as llama-quantize does, but with file names instead of paths.
  void describe(KvList& metadata) const;

 private:
  bool in_use(std::string_view name) const noexcept;
  void require_same_model(std::span<const ModelTensor> tensors) const;
  void require_matches(std::string_view flag, std::span<const std::string> words) const;

  const ImportanceMatrix* matrix_;
  std::vector<std::string> include_;
  std::vector<std::string> exclude_;
  std::vector<std::string> names_;  ///< of all entries
  bool used_ = false;
};

/// Throws usage listing the tensors whose type cannot do without importance, if there are any.
void require_importance(const FileType& file_type, std::span<const PlanEntry> entries);

}  // namespace qtz
