// A checkpoint's tensors as the architectures want them: numbers under the names of the 16-bit model. What
// is stored in some quantized form is decoded while it is read; all else is what is stored.
#pragma once

#include <vector>

#include "qtz/formats/tensor_source.h"
#include "qtz/model/tensor_expr.h"

namespace qtz {

class CheckpointTensors final : public TensorSource {
 public:
  /// What a tensor is made of. Its info's offset and shard are those of its main part.
  struct Entry {
    TensorInfo info;
    TensorExprPtr expr;
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

 private:
  const TensorSource& stored_;
  std::vector<TensorInfo> infos_;
  std::vector<TensorExprPtr> exprs_;
};

}  // namespace qtz
