// Leaving layers out (--prune-layers): new names for the blocks that stay, and metadata that agrees with
// them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "qtz/formats/gguf.h"
#include "qtz/model/gguf_model.h"

namespace qtz {

class LayerPruning {
 public:
  /// Throws usage when a layer does not exist or nothing would be left.
  LayerPruning(std::span<const std::uint32_t> layers, std::span<const ModelTensor> tensors);

  bool empty() const noexcept { return pruned_.empty(); }

  /// The tensor's name afterwards; nothing if it goes.
  std::optional<std::string> renamed(std::string_view name) const;

  /// Shortens block_count, counts of special layers and per-layer arrays. Scalars that describe a repeating
  /// pattern of layers cannot follow: each gives a line in `warnings`.
  void apply(KvList& metadata, std::string_view architecture, std::vector<std::string>& warnings) const;

 private:
  /// Pruned layers with a number in [first, last).
  std::uint64_t pruned_between(std::uint64_t first, std::uint64_t last) const noexcept;

  std::vector<std::uint32_t> pruned_;  ///< sorted, unique
};

}  // namespace qtz
