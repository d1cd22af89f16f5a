// What the readers of quantized checkpoints work with: they find the parts of a weight, check them against
// each other and say what the weight is made of.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "model/quantized/checkpoint_tensors.h"
#include "model/quantized/packed_ops.h"
#include "qtz/model/model_config.h"

namespace qtz {

class DecodeBuild {
 public:
  /// `settings` is the "quantization_config" of config.json, or what stands for it in another file.
  /// With `keeps_blocks` readers also give weights as blocks where GGUF has the form.
  DecodeBuild(const TensorSource& stored, const ModelConfig& settings, bool keeps_blocks)
      : stored_(stored), settings_(settings), keeps_blocks_(keeps_blocks) {}

  const ModelConfig& settings() const noexcept { return settings_; }
  bool keeps_blocks() const noexcept { return keeps_blocks_; }
  /// Stored tensors of which nothing was made yet.
  std::vector<const TensorInfo*> left() const;

  /// nullptr if there is none.
  const TensorInfo* find(std::string_view name) const { return stored_.find(name); }
  /// base + suffix, a part without which `of` means nothing. Throws input_invalid when it is missing.
  const TensorInfo& need(std::string_view base, std::string_view suffix, const TensorInfo& of) const;

  /// A stored tensor as a part of a weight.
  TensorExprPtr take(const TensorInfo& tensor);
  /// The same, which must have this type and shape. Throws input_invalid.
  TensorExprPtr take(const TensorInfo& tensor, DType type, const Shape& shape);
  /// The same for scales: any plain numbers of this shape.
  TensorExprPtr take_numbers(const TensorInfo& tensor, const Shape& shape);
  /// Integers of a small tensor, which is used up by that.
  std::vector<std::int64_t> take_integers(const TensorInfo& tensor, std::uint64_t at_most);
  std::string take_text(const TensorInfo& tensor, std::uint64_t at_most);

  /// A weight that was decoded, at the place of `main`.
  void give(const TensorInfo& main, std::string name, TensorExprPtr expr);
  /// A weight given before, as blocks. Its input scale, if there is one, is used up by that.
  void keep(KeptBlocks blocks);
  void leave_out(const TensorInfo& tensor, std::string_view reason);

  /// Throws input_invalid: "tensor 'x' [2, 3]: problem".
  [[noreturn]] void refuse(const TensorInfo& tensor, const std::string& problem) const;

  /// Weights given so far, and all others as they are stored.
  CheckpointTensors finish() &&;
  std::size_t count() const noexcept { return given_.size(); }
  std::vector<std::string>& skipped() noexcept { return skipped_; }

 private:
  const TensorSource& stored_;
  const ModelConfig& settings_;
  const bool keeps_blocks_;
  std::set<const TensorInfo*> used_;
  std::map<const TensorInfo*, CheckpointTensors::Entry> given_;  ///< by main part
  std::vector<std::string> skipped_;
};

/// Weights that share a scale, as GPTQ and AWQ say it; 0 where it says -1, all of a row, or nothing.
std::uint64_t group_size_of(const ModelConfig& settings);

/// What comes before `suffix`, empty if `name` does not end with it or is no longer.
std::string_view before(std::string_view name, std::string_view suffix);

}  // namespace qtz
