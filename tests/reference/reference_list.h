// Slow, obvious encoders and decoders, one pair per type of quant_types.def, written for reading and for
// nothing else. They state what the bytes must be; the product's lane texts are tested against them and share
// no code with them. A listed type without a <type>_ref.cpp here does not link.
#pragma once

#include <cstddef>
#include <cstdint>

#include "qtz/core/dtype.h"

namespace qtz::reference {

// For every type: encode_<id>() turns `rows` rows of `cols` floats into consecutive blocks (`importance`:
// null, or `cols` weights used for every row), decode_<id>() turns `elems` elements (whole blocks) back into
// floats.
#define QTZ_TYPE(id, ...)                                                                           \
  void encode_##id(const float* x, const float* importance, std::uint64_t rows, std::uint64_t cols, \
                   std::byte* out);                                                                 \
  void decode_##id(const std::byte* in, float* x, std::uint64_t elems);
#include "qtz/core/quant_types.def"
#undef QTZ_TYPE

struct Codec {
  void (*encode)(const float* x, const float* importance, std::uint64_t rows, std::uint64_t cols,
                 std::byte* out);
  void (*decode)(const std::byte* in, float* x, std::uint64_t elems);
};

/// The reference of an encodable type.
const Codec& codec(DType type);

}  // namespace qtz::reference
