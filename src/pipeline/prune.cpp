#include "prune.h"

#include <algorithm>
#include <array>
#include <set>
#include <type_traits>

#include "qtz/core/error.h"
#include "tensor_role.h"

namespace qtz {
namespace {

/// Arrays under the architecture's name whose length has nothing to do with layers.
constexpr std::array<std::string_view, 3> kNotPerLayer = {"rope.dimension_sections",
                                                          "classifier.output_labels", "target_layers"};

/// Per-layer arrays that do not stand under the architecture's name.
constexpr std::string_view kForeignPrefix = "xielu.";

/// Scalars that say "every n-th layer".
constexpr std::array<std::string_view, 4> kPatterns = {"attention.sliding_window_pattern",
                                                       "full_attention_interval", "interleave_moe_layer_step",
                                                       "attention.shared_kv_layers"};

template <std::size_t N>
bool is_one_of(std::string_view text, const std::array<std::string_view, N>& list) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

GgufArray without(const GgufArray& array, std::span<const std::uint32_t> dropped) {
  GgufArray kept{array.type, {}};
  std::visit(
      [&](const auto& all) {
        std::decay_t<decltype(all)> rest;
        for (std::size_t i = 0; i < all.size(); ++i) {
          if (!std::binary_search(dropped.begin(), dropped.end(), i)) rest.push_back(all[i]);
        }
        kept.elements = std::move(rest);
      },
      array.elements);
  return kept;
}

}  // namespace

LayerPruning::LayerPruning(std::span<const std::uint32_t> layers, std::span<const ModelTensor> tensors)
    : pruned_(layers.begin(), layers.end()) {
  std::sort(pruned_.begin(), pruned_.end());
  pruned_.erase(std::unique(pruned_.begin(), pruned_.end()), pruned_.end());
  if (pruned_.empty()) return;

  std::set<std::uint32_t> present;
  for (const ModelTensor& tensor : tensors) {
    if (const auto layer = layer_of(tensor.name)) present.insert(*layer);
  }
  for (const std::uint32_t layer : pruned_) {
    if (present.contains(layer)) continue;
    const std::string have = present.empty() ? "the model has no tensors named blk.N."
                                             : "the model has layers " + std::to_string(*present.begin()) +
                                                   " to " + std::to_string(*present.rbegin());
    throw Error(ErrorKind::usage, "--prune-layers: there is no layer " + std::to_string(layer) + ", " + have);
  }
  if (pruned_.size() == present.size()) throw Error(ErrorKind::usage, "--prune-layers leaves no layer");
}

std::uint64_t LayerPruning::pruned_between(std::uint64_t first, std::uint64_t last) const noexcept {
  return static_cast<std::uint64_t>(std::count_if(
      pruned_.begin(), pruned_.end(), [&](std::uint32_t layer) { return layer >= first && layer < last; }));
}

std::optional<std::string> LayerPruning::renamed(std::string_view name) const {
  const auto layer = layer_of(name);
  if (!layer || pruned_.empty()) return std::string(name);
  if (std::binary_search(pruned_.begin(), pruned_.end(), *layer)) return std::nullopt;
  const auto rest = name.substr(name.find('.', std::string_view("blk.").size()));
  return "blk." + std::to_string(*layer - pruned_between(0, *layer)) + std::string(rest);
}

void LayerPruning::apply(KvList& metadata, std::string_view architecture,
                         std::vector<std::string>& warnings) const {
  if (pruned_.empty()) return;
  const std::string prefix = std::string(architecture) + ".";
  const auto count_of = [&](std::string_view key) -> std::uint64_t {
    const GgufValue* value = metadata.find(prefix + std::string(key));
    return value == nullptr ? 0 : value->as_uint().value_or(0);
  };
  const std::uint64_t blocks = count_of("block_count");
  const std::uint64_t extra = std::min(blocks, count_of("nextn_predict_layers"));
  const std::uint64_t dense = count_of("leading_dense_block_count");

  const std::vector<KvList::Entry> before = metadata.entries();
  for (const KvList::Entry& entry : before) {
    const bool own = entry.key.starts_with(prefix);
    if (!own && !entry.key.starts_with(kForeignPrefix)) continue;
    const std::string_view key =
        std::string_view(entry.key).substr(own ? prefix.size() : kForeignPrefix.size());
    if (const GgufArray* array = entry.value.as_array()) {
      const bool per_layer = array->size() == blocks || array->size() == blocks - extra;
      if (per_layer && blocks > 0 && !is_one_of(key, kNotPerLayer))
        metadata.set(entry.key, without(*array, pruned_));
    } else if (is_one_of(key, kPatterns) && entry.value.as_uint().value_or(0) > 1) {
      warnings.push_back(entry.key + " describes a repeating pattern of layers, which --prune-layers breaks");
    }
  }
  const auto shrink = [&](std::string_view key, std::uint64_t value, std::uint64_t by) {
    if (value > 0 && by > 0) metadata.set(prefix + std::string(key), static_cast<std::uint32_t>(value - by));
  };
  shrink("block_count", blocks, pruned_between(0, blocks));
  shrink("nextn_predict_layers", extra, pruned_between(blocks - extra, blocks));
  shrink("leading_dense_block_count", dense, pruned_between(0, dense));
}

}  // namespace qtz
