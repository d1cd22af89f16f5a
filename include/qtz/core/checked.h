// Size arithmetic on numbers that come from files. All of it goes through here; a wrap is an Error, not a
// small size.
#pragma once

#include <cstdint>
#include <optional>

namespace qtz {

inline std::optional<std::uint64_t> checked_mul(std::uint64_t a, std::uint64_t b) noexcept {
  std::uint64_t out = 0;
  if (__builtin_mul_overflow(a, b, &out)) return std::nullopt;
  return out;
}

inline std::optional<std::uint64_t> checked_add(std::uint64_t a, std::uint64_t b) noexcept {
  std::uint64_t out = 0;
  if (__builtin_add_overflow(a, b, &out)) return std::nullopt;
  return out;
}

/// The next multiple of `alignment` (a power of two); empty on overflow.
inline std::optional<std::uint64_t> checked_align(std::uint64_t value, std::uint64_t alignment) noexcept {
  auto up = checked_add(value, alignment - 1);
  if (!up) return std::nullopt;
  return *up & ~(alignment - 1);
}

}  // namespace qtz
