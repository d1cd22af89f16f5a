#include <cmath>
#include <cstring>

#include "model/quantized/packed_ops.h"
#include "qtz/core/bytes.h"
#include "qtz/core/error.h"
#include "qtz/core/half.h"

namespace qtz {

namespace {

/// OCP FP8 E4M3 without infinities: bias 7, both codes of all ones are NaN.
float e4m3(unsigned code) {
  const int exponent = static_cast<int>(code >> 3 & 15);
  const int mantissa = static_cast<int>(code & 7);
  const float sign = (code & 0x80) != 0 ? -1.0f : 1.0f;
  if (exponent == 15 && mantissa == 7) return std::copysign(std::nanf(""), sign);
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), -9);
  return sign * std::ldexp(static_cast<float>(8 + mantissa), exponent - 10);
}

/// OCP FP8 E5M2: the upper half of an FP16 number.
float e5m2(unsigned code) {
  return f16_to_f32(static_cast<std::uint16_t>(code << 8));
}

/// A power of two with bias 127; the last code is NaN.
float e8m0(unsigned code) {
  return code == 255 ? std::nanf("") : std::ldexp(1.0f, static_cast<int>(code) - 127);
}

using Table = std::array<float, 256>;

Table table_of(float (*value)(unsigned)) {
  Table table{};
  for (unsigned code = 0; code < table.size(); ++code) table[code] = value(code);
  return table;
}

const Table* byte_table(DType type) {
  static const Table kE4m3 = table_of(e4m3);
  static const Table kE5m2 = table_of(e5m2);
  static const Table kE8m0 = table_of(e8m0);
  static const Table kSigned =
      table_of([](unsigned code) { return static_cast<float>(static_cast<std::int8_t>(code)); });
  static const Table kUnsigned = table_of([](unsigned code) { return static_cast<float>(code); });
  switch (type) {
    case DType::f8_e4m3:
      return &kE4m3;
    case DType::f8_e5m2:
      return &kE5m2;
    case DType::f8_e8m0:
      return &kE8m0;
    case DType::i8:
      return &kSigned;
    case DType::u8:
      return &kUnsigned;
    default:
      return nullptr;
  }
}

bool is_floating(DType type) {
  return type == DType::f32 || type == DType::f16 || type == DType::bf16 || type == DType::f64;
}

template <typename T>
void widen_integers(std::span<const std::byte> bytes, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<float>(load_le<T>(bytes.data() + i * sizeof(T)));
}

}  // namespace

bool is_plain(DType type) {
  return is_floating(type) || byte_table(type) != nullptr || type == DType::i16 || type == DType::i32;
}

void widen_plain(DType type, std::span<const std::byte> bytes, std::span<float> out) {
  QTZ_CHECK(is_plain(type) && bytes.size() == out.size() * traits(type).block_bytes);
  if (is_floating(type)) return widen_to_f32(type, bytes, out);
  if (type == DType::i16) return widen_integers<std::int16_t>(bytes, out);
  if (type == DType::i32) return widen_integers<std::int32_t>(bytes, out);
  const Table& table = *byte_table(type);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = table[std::to_integer<unsigned>(bytes[i])];
}

std::vector<float> e2m1_values() {
  std::vector<float> values{0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f};
  for (std::size_t code = 0; code < 8; ++code) values.push_back(-values[code]);
  return values;
}

}  // namespace qtz
