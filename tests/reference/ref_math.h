// The few number conversions that the reference encoders share, spelled out as the formats' authority (ggml
// built for x86-64) performs them, odd corners included: the corners decide bytes for subnormal and huge
// blocks.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "qtz/core/half.h"

namespace qtz::reference {

/// Nearest integer, ties to even, by adding 1.5 * 2^23 and reading the mantissa. Outside +-2^22 the result is
/// the mantissa's accident; NaN gives 0 and infinity -2^22.
inline int round_even(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value + 12582912.0F);
  return static_cast<int>(bits & 0x007fffffU) - 0x00400000;
}

/// Toward zero; what does not fit an int (NaN included) gives the smallest int, as the processor's
/// instruction does.
inline int truncate(float value) {
  if (!(value > -2147483904.0F && value < 2147483648.0F)) return std::numeric_limits<int>::min();
  return static_cast<int>(value);
}

inline int clamp(int value, int low, int high) {
  return value < low ? low : value > high ? high : value;
}

inline std::uint8_t low_byte(int value) {
  return static_cast<std::uint8_t>(static_cast<unsigned>(value) & 0xffU);
}

/// A finished block's memory image, appended byte by byte.
class ByteWriter {
 public:
  explicit ByteWriter(std::byte* at) : at_(at) {}
  void put(int byte) { *at_++ = static_cast<std::byte>(low_byte(byte)); }
  void put_f16(float value) {
    const std::uint16_t bits = f32_to_f16(value);
    put(bits & 0xff);
    put(bits >> 8);
  }

 private:
  std::byte* at_;
};

inline int byte_at(const std::byte* in, std::size_t index) {
  return std::to_integer<int>(in[index]);
}

inline float f16_at(const std::byte* in, std::size_t index) {
  return f16_to_f32(static_cast<std::uint16_t>(byte_at(in, index) | (byte_at(in, index + 1) << 8)));
}

/// The value as it will be read back from an FP16 field.
inline float through_f16(float value) {
  return f16_to_f32(f32_to_f16(value));
}

}  // namespace qtz::reference
