// TQ1_0: 256 elements as { 48 bytes of five digits; 4 bytes of four digits; f16 d }, x ~ d * (digit - 1),
// d = max |x|. A byte is the fraction 0.ddddd to the base of three, times 256, rounded up. Importance is
// ignored.
#include "reference/ternary_ref.h"

namespace qtz::reference {
namespace {

/// Where an element's digit stands: which byte, and which digit of it from the left.
struct Place {
  std::size_t byte;
  int digit;
};
Place place_of(std::size_t element) {
  if (element < 160) return {element % 32, static_cast<int>(element / 32)};
  if (element < 240) return {32 + (element - 160) % 16, static_cast<int>((element - 160) / 16)};
  return {48 + (element - 240) % 4, static_cast<int>((element - 240) / 4)};
}

constexpr int kPowers[6] = {243, 81, 27, 9, 3, 1};

}  // namespace

void encode_tq1_0(const float* x, const float* /*importance*/, std::uint64_t rows, std::uint64_t cols,
                  std::byte* out) {
  for (std::uint64_t at = 0; at < rows * cols; at += 256, x += 256, out += 54) {
    const float d = largest_magnitude(x, 256);
    const float inverse = inverse_of(d);
    int numbers[52] = {};
    for (std::size_t i = 0; i < 256; ++i) {
      const float rounded = std::round(x[i] * inverse);
      // Infinities and NaN (the inverse overflowed) end as 0: their 64-bit conversion has no low bits.
      const int level = std::isfinite(rounded) ? static_cast<int>(rounded) : 0;
      numbers[place_of(i).byte] += (level + 1) * kPowers[place_of(i).digit + 1];
    }
    ByteWriter block(out);
    for (const int number : numbers) block.put((number * 256 + 242) / 243);
    block.put_f16(d);
  }
}

void decode_tq1_0(const std::byte* in, float* x, std::uint64_t elems) {
  for (std::uint64_t at = 0; at < elems; at += 256, x += 256, in += 54) {
    for (std::size_t i = 0; i < 256; ++i) {
      const Place place = place_of(i);
      int fraction = byte_at(in, place.byte);
      for (int n = 0; n < place.digit; ++n) fraction = fraction * 3 % 256;
      x[i] = static_cast<float>(fraction * 3 / 256 - 1) * f16_at(in, 52);
    }
  }
}

}  // namespace qtz::reference
