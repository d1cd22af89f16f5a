#include "extremes.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "qtz/core/bytes.h"

namespace qtz {
namespace {

// Sign cleared, the bits of floats order like the numbers, with infinities and NaN on top.
constexpr std::uint32_t kLimitF32 = 0x46800000;  // 2^14
constexpr std::uint16_t kLimitBf16 = 0x4680;
constexpr std::uint16_t kLimitF16 = 0x7400;

/// True if any magnitude is at or above the limit. Written for the vectorizer: no exit from within a piece.
template <typename Bits>
bool any_at_least(std::span<const std::byte> bytes, Bits limit) noexcept {
  using Signed = std::make_signed_t<Bits>;
  constexpr Bits kMagnitude = static_cast<Bits>(~Bits{0}) >> 1;
  constexpr std::size_t kPiece = 8192 / sizeof(Bits);
  const auto below = static_cast<Signed>(limit - 1);
  std::array<Bits, kPiece> piece;
  for (std::size_t at = 0; at < bytes.size(); at += sizeof piece) {
    const std::size_t size = std::min(sizeof piece, bytes.size() - at);
    std::memcpy(piece.data(), bytes.data() + at, size);
    const std::size_t count = size / sizeof(Bits);
    Bits found = 0;
    for (std::size_t i = 0; i < count; ++i) {
      found = static_cast<Bits>(found | (static_cast<Signed>(piece[i] & kMagnitude) > below ? 1 : 0));
    }
    if (found != 0) return true;
  }
  return false;
}

}  // namespace

bool may_hold_extremes(DType type, std::span<const std::byte> bytes) noexcept {
  switch (type) {
    case DType::f32:
      return any_at_least<std::uint32_t>(bytes, kLimitF32);
    case DType::f16:
      return any_at_least<std::uint16_t>(bytes, kLimitF16);
    case DType::bf16:
      return any_at_least<std::uint16_t>(bytes, kLimitBf16);
    default:
      return true;
  }
}

bool may_hold_extremes(std::span<const float> values) noexcept {
  return may_hold_extremes(DType::f32, std::as_bytes(values));
}

NonfiniteCount& NonfiniteCount::operator+=(const NonfiniteCount& other) noexcept {
  nans += other.nans;
  infinities += other.infinities;
  return *this;
}

std::string NonfiniteCount::to_string() const {
  std::string text;
  if (nans > 0) text += std::to_string(nans) + " NaN";
  if (nans > 0 && infinities > 0) text += " and ";
  if (infinities > 0) text += std::to_string(infinities) + " infinite";
  return text + (total() == 1 ? " value" : " values");
}

NonfiniteCount count_nonfinite(std::span<const float> values) noexcept {
  NonfiniteCount count;
  for (const float value : values) {
    if (std::isnan(value)) ++count.nans;
    if (std::isinf(value)) ++count.infinities;
  }
  return count;
}

namespace {

/// The largest sound ratio of noise to signal. Two or three levels may well lose all weights but the largest;
/// of those types only scales out of range are seen. With a grid, sums that overflow leave zeros (where ggml
/// ends the process or does the same), and sparse weights, or large ones without importance, may do no
/// better: that is refused too.
double worst_noise(DType type) noexcept {
  switch (type) {
    case DType::q1_0:
    case DType::q2_0:
    case DType::tq1_0:
    case DType::tq2_0:
      return 1.001;
    case DType::iq3_xxs:
    case DType::iq3_s:
    case DType::iq2_xxs:
    case DType::iq2_xs:
    case DType::iq2_s:
    case DType::iq1_s:
    case DType::iq1_m:
      return 0.99;
    default:
      return 0.5;  // the others stay below 0.2 even around an outlier
  }
}

}  // namespace

bool survived_encoding(DType type, std::span<const std::byte> bytes, std::span<const float> values,
                       const Backend& backend) noexcept {
  constexpr std::uint64_t kPiece = 256;  // a multiple of every block size
  const double worst = worst_noise(type);
  const DTypeTraits& type_traits = traits(type);
  const bool in_blocks = type_traits.block_elems > 1;
  std::array<float, kPiece> decoded;
  for (std::uint64_t at = 0; at < values.size(); at += kPiece) {
    const auto wanted = values.subspan(at, std::min<std::uint64_t>(kPiece, values.size() - at));
    const std::uint64_t byte = at / type_traits.block_elems * type_traits.block_bytes;
    backend.decode(type, bytes.data() + byte, decoded.data(), wanted.size());
    double signal = 0;
    double noise = 0;
    for (std::uint64_t i = 0; i < wanted.size(); ++i) {
      if (std::isfinite(wanted[i]) != std::isfinite(decoded[i])) return false;
      if (!std::isfinite(wanted[i])) continue;
      const double error = static_cast<double>(wanted[i]) - static_cast<double>(decoded[i]);
      signal += static_cast<double>(wanted[i]) * static_cast<double>(wanted[i]);
      noise += error * error;
    }
    // Pieces of subnormals may well vanish; those are not what this looks for.
    if (in_blocks && signal >= 1 && noise > worst * signal) return false;
  }
  return true;
}

std::string position_text(const Shape& shape, std::uint64_t index) {
  std::vector<std::uint64_t> place(shape.rank());
  for (std::size_t axis = shape.rank(); axis-- > 0;) {
    place[axis] = index % shape[axis];
    index /= shape[axis];
  }
  return Shape(place).to_string();
}

}  // namespace qtz
