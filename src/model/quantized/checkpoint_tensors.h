// A checkpoint's tensors as the architectures want them: numbers under the names of the 16-bit model. What
// is stored in some quantized form is decoded while it is read; all else is what is stored.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "qtz/formats/tensor_source.h"
#include "qtz/model/tensor_expr.h"

namespace qtz {

/// A weight stored in blocks that GGUF has but for one factor of the whole weight, which llama.cpp multiplies
/// the product with. What architectures see as numbers can then go into the file as it is.
struct KeptBlocks {
  TensorExprPtr blocks;       ///< of the weight's shape
  TensorExprPtr scale;        ///< F32 [1]
  TensorExprPtr input_scale;  ///< F32 [1], of quantized activations; null: there is none
  const TensorInfo* codes;    ///< the stored tensor that the blocks are made of
  const TensorInfo* input;    ///< and that of the input scale
};

class CheckpointTensors final : public TensorSource {
 public:
  /// What a tensor is made of. Its info's offset and shard are those of its main part.
  struct Entry {
    TensorInfo info;
    TensorExprPtr expr;
    std::shared_ptr<const KeptBlocks> kept = nullptr;  ///< where it could be kept
  };

  /// All as they are stored. `stored` must outlive this.
  explicit CheckpointTensors(const TensorSource& stored);
  /// `entries` with unique names, in the order of their main parts. Throws input_invalid for a name that is
  /// there twice.
  CheckpointTensors(const TensorSource& stored, std::vector<Entry> entries);

  std::span<const TensorInfo> tensors() const override { return infos_; }
  std::span<const InputFile> files() const override { return stored_.files(); }

  /// The numbers of one of tensors(). TensorSource::read knows nothing of decoding: use this.
  TensorExprPtr expression(const TensorInfo& tensor) const;
  /// Puts another expression of the same shape in the place of a tensor's.
  void replace(const TensorInfo& tensor, TensorExprPtr expr);
  /// The same weight as blocks, null where it has none.
  const KeptBlocks* kept(const TensorInfo& tensor) const;
  /// All of these, by the stored tensor of their codes.
  const std::map<const TensorInfo*, const KeptBlocks*>& kept_by_codes() const noexcept { return by_codes_; }

 private:
  std::size_t index_of(const TensorInfo& tensor) const;

  const TensorSource& stored_;
  std::vector<TensorInfo> infos_;
  std::vector<TensorExprPtr> exprs_;
  std::vector<std::shared_ptr<const KeptBlocks>> kept_;
  std::map<const TensorInfo*, const KeptBlocks*> by_codes_;
};

}  // namespace qtz
