// Which tensors of a plan get importance values, and whether those that must have them do.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "qtz/formats/imatrix.h"
#include "qtz/pipeline/plan.h"

namespace qtz {

/// An importance matrix seen through --include-weights and --exclude-weights.
class ImportanceUse {
 public:
  ImportanceUse(const ImportanceMatrix* matrix, std::span<const std::string> include,
                std::span<const std::string> exclude);

  /// Entries in use; zero means that the matrix has no say.
  std::uint64_t size() const noexcept { return size_; }

  /// Values for the tensor, empty if there are none in use. Throws input_invalid when their number does not
  /// fit the shape: cols, or one set per expert. Embeddings are forgiven, for the collector counts them
  /// wrongly.
  std::span<const float> find(std::string_view name, const Shape& shape) const;

  /// Adds quantize.imatrix.* as llama-quantize does, but with file names instead of paths.
  void describe(KvList& metadata) const;

 private:
  bool in_use(std::string_view name) const noexcept;

  const ImportanceMatrix* matrix_;
  std::vector<std::string> include_;
  std::vector<std::string> exclude_;
  std::uint64_t size_ = 0;
};

/// Throws usage listing the tensors whose type cannot do without importance, if there are any.
void require_importance(const FileType& file_type, std::span<const PlanEntry> entries);

}  // namespace qtz
