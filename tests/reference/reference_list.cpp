#include "reference/reference_list.h"

#include <array>

#include "qtz/core/error.h"

namespace qtz::reference {

const Codec& codec(DType type) {
  static constexpr std::array<Codec, kEncodableCount> kCodecs{{
#define QTZ_TYPE(id, ...) {&encode_##id, &decode_##id},
#include "qtz/core/quant_types.def"
#undef QTZ_TYPE
  }};
  const auto index = static_cast<std::size_t>(type);
  QTZ_CHECK(index < kCodecs.size());
  return kCodecs[index];
}

}  // namespace qtz::reference
