#include "qtz/kernels/codes.h"

#include "qtz/core/error.h"
#include "quant_texts.h"  // generated: quants/<id>.h for every listed type
#include "quants/code_lane.h"

namespace qtz {
namespace {

using ReadFn = void (*)(const std::byte* in, float* codes, std::uint64_t elems) noexcept;

ReadFn find(DType type) noexcept {
  switch (type) {
#define QTZ_TYPE(id, name, gguf, elems, ...)                               \
  case DType::id:                                                          \
    if constexpr (elems > 1) return &quants::id::decode<quants::CodeLane>; \
    return nullptr;
#include "qtz/core/quant_types.def"
#undef QTZ_TYPE
    default:
      return nullptr;
  }
}

}  // namespace

bool has_codes(DType type) noexcept {
  return find(type) != nullptr;
}

void read_codes(DType type, const std::byte* in, float* codes, std::uint64_t elems) noexcept {
  const ReadFn read = find(type);
  QTZ_CHECK(read != nullptr);
  read(in, codes, elems);
}

}  // namespace qtz
