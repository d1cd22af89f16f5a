#include "model/quantized/checkpoint_tensors.h"

#include "model/tensor_ops.h"
#include "qtz/core/error.h"

namespace qtz {

CheckpointTensors::CheckpointTensors(const TensorSource& stored) : stored_(stored) {
  infos_.assign(stored.tensors().begin(), stored.tensors().end());
  exprs_.reserve(infos_.size());
  kept_.resize(infos_.size());
  for (const TensorInfo& tensor : stored.tensors()) exprs_.push_back(qtz::stored(stored, tensor));
  index_names();
}

CheckpointTensors::CheckpointTensors(const TensorSource& stored, std::vector<Entry> entries)
    : stored_(stored) {
  infos_.reserve(entries.size());
  exprs_.reserve(entries.size());
  kept_.reserve(entries.size());
  for (Entry& entry : entries) {
    infos_.push_back(std::move(entry.info));
    exprs_.push_back(std::move(entry.expr));
    if (entry.kept != nullptr) by_codes_.emplace(entry.kept->codes, entry.kept.get());
    kept_.push_back(std::move(entry.kept));
  }
  index_names();
}

std::size_t CheckpointTensors::index_of(const TensorInfo& tensor) const {
  const auto index = static_cast<std::size_t>(&tensor - infos_.data());
  QTZ_CHECK(index < infos_.size());
  return index;
}

TensorExprPtr CheckpointTensors::expression(const TensorInfo& tensor) const {
  return exprs_[index_of(tensor)];
}

void CheckpointTensors::replace(const TensorInfo& tensor, TensorExprPtr expr) {
  const std::size_t index = index_of(tensor);
  QTZ_CHECK(expr->shape() == infos_[index].shape);
  infos_[index].dtype = expr->dtype();
  infos_[index].bytes = expr->shape().rows() * row_bytes(expr->dtype(), expr->shape().cols());
  exprs_[index] = std::move(expr);
}

const KeptBlocks* CheckpointTensors::kept(const TensorInfo& tensor) const {
  return kept_[index_of(tensor)].get();
}

}  // namespace qtz
