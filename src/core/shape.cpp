#include "qtz/core/shape.h"

#include "qtz/core/checked.h"
#include "qtz/core/error.h"

namespace qtz {

std::uint64_t Shape::elements() const noexcept {
  std::uint64_t product = 1;
  for (const std::uint64_t dim : dims_) {
    const auto next = checked_mul(product, dim);
    QTZ_CHECK(next.has_value());
    product = *next;
  }
  return product;
}

std::uint64_t Shape::rows() const noexcept {
  std::uint64_t product = 1;
  for (std::size_t axis = 0; axis + 1 < dims_.size(); ++axis) product *= dims_[axis];
  return product;
}

std::string Shape::to_string() const {
  std::string out = "[";
  for (std::size_t axis = 0; axis < dims_.size(); ++axis) {
    if (axis > 0) out += ", ";
    out += std::to_string(dims_[axis]);
  }
  return out + "]";
}

}  // namespace qtz
