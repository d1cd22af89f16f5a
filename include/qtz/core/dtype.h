// The element types a stored tensor can have: plain numbers and quantized blocks, in one closed enumeration
// built from quant_types.def (what we encode) and carried_types.def (what we only carry).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace qtz {

enum class DType : std::uint8_t {
#define QTZ_TYPE(id, ...) id,
#include "qtz/core/quant_types.def"
#undef QTZ_TYPE
#define QTZ_CARRIED(id, ...) id,
#include "qtz/core/carried_types.def"
#undef QTZ_CARRIED
};

/// The number of DTypes, and the number of those that can be encoded (they come first).
#define QTZ_TYPE(...) +1
#define QTZ_CARRIED(...) +1
inline constexpr std::size_t kEncodableCount = 0
#include "qtz/core/quant_types.def"
    ;
inline constexpr std::size_t kDTypeCount = kEncodableCount
#include "qtz/core/carried_types.def"
    ;
#undef QTZ_TYPE
#undef QTZ_CARRIED

/// What is known of a type without looking at data.
struct DTypeTraits {
  DType type;
  std::string_view name;      ///< upper case, as GGUF tools and safetensors print it
  std::int32_t gguf_id;       ///< ggml type number, -1 if GGUF has none
  std::uint32_t block_elems;  ///< consecutive elements of a row that are stored together
  std::uint32_t block_bytes;  ///< bytes of one block
  DType fallback;             ///< used for rows that are not whole blocks; itself if there is none
  bool encodable;             ///< listed in quant_types.def
  bool needs_importance;      ///< cannot be encoded well without an importance matrix
};

const DTypeTraits& traits(DType type) noexcept;
inline std::string_view name_of(DType type) noexcept {
  return traits(type).name;
}

/// All types, in enumeration order.
std::span<const DTypeTraits> all_dtypes() noexcept;

/// More than one element per block and encodable or carried as a block: not a plain number type.
bool is_quantized(DType type) noexcept;

/// Case-insensitive look-up by name; by ggml's number; by safetensors' dtype string (case-sensitive, plain
/// types only).
std::optional<DType> find_dtype(std::string_view name) noexcept;
std::optional<DType> dtype_from_gguf(std::uint32_t id) noexcept;
std::optional<DType> dtype_from_safetensors(std::string_view name) noexcept;

/// Bytes of a row of `cols` elements. QTZ_CHECKs that cols is a whole number of blocks; sizes are below 2^63.
std::uint64_t row_bytes(DType type, std::uint64_t cols) noexcept;

}  // namespace qtz
