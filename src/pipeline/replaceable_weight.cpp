#include "replaceable_weight.h"

#include <cstring>

#include "qtz/core/error.h"

namespace qtz {

void ReplaceableWeight::replace(std::vector<float> weights) {
  QTZ_CHECK(weights.empty() || weights.size() == shape().elements());
  weights_ = std::move(weights);
}

void ReplaceableWeight::read_rows(std::uint64_t first, std::uint64_t count, std::span<std::byte> out) const {
  const std::uint64_t cols = shape().cols();
  if (!weights_.empty()) {
    std::memcpy(out.data(), weights_.data() + first * cols, out.size());
    return;
  }
  std::vector<std::byte> stored(count * row_bytes(original_->dtype(), cols));
  original_->read_rows(first, count, stored);
  std::vector<float> values(count * cols);
  backend_.decode(original_->dtype(), stored.data(), values.data(), values.size());
  std::memcpy(out.data(), values.data(), out.size());
}

std::uint64_t ReplaceableWeight::staging_bytes(std::uint64_t count) const {
  const std::uint64_t cols = shape().cols();
  return original_->staging_bytes(count) +
         count * (row_bytes(original_->dtype(), cols) + row_bytes(DType::f32, cols));
}

}  // namespace qtz
