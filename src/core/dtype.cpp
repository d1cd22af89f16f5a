#include "qtz/core/dtype.h"

#include <array>

#include "qtz/core/checked.h"
#include "qtz/core/error.h"
#include "qtz/core/text.h"

namespace qtz {
namespace {

constexpr std::array<DTypeTraits, kDTypeCount> kTraits = {{
#define QTZ_TYPE(id, name, gguf, elems, bytes, fallback, importance) \
  {DType::id, name, gguf, elems, bytes, DType::fallback, true, importance},
#include "qtz/core/quant_types.def"
#undef QTZ_TYPE
#define QTZ_CARRIED(id, name, gguf, elems, bytes) \
  {DType::id, name, gguf, elems, bytes, DType::id, false, false},
#include "qtz/core/carried_types.def"
#undef QTZ_CARRIED
}};

/// The dtype strings of the safetensors format; block types are GGUF's alone.
constexpr DType kSafetensorsTypes[] = {
    DType::boolean, DType::f4,      DType::f6_e2m3, DType::f6_e3m2, DType::u8,  DType::i8,   DType::f8_e5m2,
    DType::f8_e4m3, DType::f8_e8m0, DType::i16,     DType::u16,     DType::f16, DType::bf16, DType::i32,
    DType::u32,     DType::f32,     DType::c64,     DType::f64,     DType::i64, DType::u64,
};

}  // namespace

const DTypeTraits& traits(DType type) noexcept {
  const auto index = static_cast<std::size_t>(type);
  QTZ_CHECK(index < kDTypeCount);
  return kTraits[index];
}

std::span<const DTypeTraits> all_dtypes() noexcept {
  return kTraits;
}

bool is_quantized(DType type) noexcept {
  const DTypeTraits& t = traits(type);
  return t.block_elems > 1 && t.gguf_id >= 0;
}

std::optional<DType> find_dtype(std::string_view name) noexcept {
  for (const DTypeTraits& t : kTraits) {
    if (equals_ignoring_case(t.name, name)) return t.type;
  }
  return std::nullopt;
}

std::optional<DType> dtype_from_gguf(std::uint32_t id) noexcept {
  for (const DTypeTraits& t : kTraits) {
    if (t.gguf_id >= 0 && static_cast<std::uint32_t>(t.gguf_id) == id) return t.type;
  }
  return std::nullopt;
}

std::optional<DType> dtype_from_safetensors(std::string_view name) noexcept {
  for (const DType type : kSafetensorsTypes) {
    if (traits(type).name == name) return type;
  }
  return std::nullopt;
}

std::uint64_t row_bytes(DType type, std::uint64_t cols) noexcept {
  const DTypeTraits& t = traits(type);
  QTZ_CHECK(cols % t.block_elems == 0);
  const auto bytes = checked_mul(cols / t.block_elems, t.block_bytes);
  QTZ_CHECK(bytes.has_value());
  return *bytes;
}

}  // namespace qtz
