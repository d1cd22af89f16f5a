// A stored weight of which a quantized one may take the place while the model runs.
#pragma once

#include <memory>
#include <vector>

#include "qtz/kernels/backend.h"
#include "qtz/model/tensor_expr.h"

namespace qtz {

/// F32. Not to be replaced while it is being read.
class ReplaceableWeight final : public TensorExpr {
 public:
  ReplaceableWeight(TensorExprPtr original, const Backend& backend)
      : TensorExpr(original->shape(), DType::f32), original_(std::move(original)), backend_(backend) {}

  /// [rows, cols]; an empty one gives the original its place back.
  void replace(std::vector<float> weights);

  void read_rows(std::uint64_t first, std::uint64_t count, std::span<std::byte> out) const override;
  std::uint64_t staging_bytes(std::uint64_t count) const override;
  void collect_inputs(std::vector<const TensorInfo*>& inputs) const override {
    original_->collect_inputs(inputs);
  }

 private:
  TensorExprPtr original_;
  const Backend& backend_;
  std::vector<float> weights_;
};

}  // namespace qtz
