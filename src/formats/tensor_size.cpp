#include "formats/tensor_size.h"

#include <algorithm>

#include "qtz/core/checked.h"
#include "qtz/core/error.h"

namespace qtz {

std::uint64_t checked_tensor_bytes(DType type, const Shape& shape) {
  constexpr std::uint64_t kLimit = std::uint64_t{1} << 63;
  const DTypeTraits& type_traits = traits(type);
  if (shape.cols() % type_traits.block_elems != 0) {
    throw Error(ErrorKind::input_invalid,
                "rows of " + std::to_string(shape.cols()) + " elements are not whole blocks of " +
                    std::to_string(type_traits.block_elems) + " (" + std::string(type_traits.name) + ")");
  }
  std::optional<std::uint64_t> bound = type_traits.block_bytes;
  bool empty = false;
  for (const std::uint64_t dim : shape.dims()) {
    empty = empty || dim == 0;
    if (bound) bound = checked_mul(*bound, std::max<std::uint64_t>(dim, 1));
  }
  // Elements times bytes of a block: an upper bound of elements and of bytes, a few powers of two above the
  // latter.
  if (!bound || *bound >= kLimit) {
    throw Error(ErrorKind::input_invalid,
                "shape " + shape.to_string() + " is too large (its size overflows)");
  }
  return empty ? 0 : shape.elements() / type_traits.block_elems * type_traits.block_bytes;
}

}  // namespace qtz
