#include "qtz/methods/integer_layouts.h"

#include <cstring>
#include <string>

#include "qtz/core/error.h"
#include "qtz/core/half.h"

namespace qtz {
namespace {

constexpr std::uint64_t kWordBits = 32;

/// A dense stream of codes that are `stride` apart, in words that are as far apart.
class DensePacker {
 public:
  DensePacker(unsigned bits, std::uint32_t* words, std::uint64_t stride)
      : bits_(bits), words_(words), stride_(stride) {}

  void put(std::uint32_t code) {
    pending_ |= static_cast<std::uint64_t>(code) << held_;
    held_ += bits_;
    if (held_ >= kWordBits) flush_word();
  }
  void finish() {
    if (held_ > 0) flush_word();
  }

 private:
  void flush_word() {
    *words_ = static_cast<std::uint32_t>(pending_);
    words_ += stride_;
    pending_ >>= kWordBits;
    held_ = held_ > kWordBits ? held_ - static_cast<unsigned>(kWordBits) : 0;
  }

  unsigned bits_;
  std::uint32_t* words_;
  std::uint64_t stride_;
  std::uint64_t pending_ = 0;
  unsigned held_ = 0;
};

std::uint64_t packed_words(std::uint64_t codes, unsigned bits) {
  return (codes * bits + kWordBits - 1) / kWordBits;
}

template <class T>
std::vector<std::byte> bytes_of(const std::vector<T>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(T));
  if (!bytes.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

/// [outer, inner] codes, each column packed from the outermost on: [words, inner].
std::vector<std::byte> pack_columns(const std::vector<std::uint8_t>& codes, std::uint64_t outer,
                                    std::uint64_t inner, unsigned bits) {
  std::vector<std::uint32_t> words(packed_words(outer, bits) * inner);
  // A word's codes, or those of a few words, lie on as many rows: whole rows are walked for the memory's
  // sake.
  std::vector<DensePacker> packers;
  packers.reserve(inner);
  for (std::uint64_t i = 0; i < inner; ++i) packers.emplace_back(bits, words.data() + i, inner);
  for (std::uint64_t o = 0; o < outer; ++o) {
    for (std::uint64_t i = 0; i < inner; ++i) packers[i].put(codes[o * inner + i]);
  }
  for (DensePacker& packer : packers) packer.finish();
  return bytes_of(words);
}

/// [outer, inner] codes, each row packed: [outer, words]. `less` is taken from each code.
std::vector<std::byte> pack_rows(const std::vector<std::uint8_t>& codes, std::uint64_t outer,
                                 std::uint64_t inner, unsigned bits, unsigned less) {
  const std::uint64_t width = packed_words(inner, bits);
  std::vector<std::uint32_t> words(outer * width);
  for (std::uint64_t o = 0; o < outer; ++o) {
    DensePacker packer(bits, words.data() + o * width, 1);
    for (std::uint64_t i = 0; i < inner; ++i) {
      QTZ_CHECK(codes[o * inner + i] >= less);
      packer.put(codes[o * inner + i] - less);
    }
    packer.finish();
  }
  return bytes_of(words);
}

template <class T>
std::vector<T> transposed(const std::vector<T>& values, std::uint64_t rows, std::uint64_t cols) {
  constexpr std::uint64_t kTile = 64;
  std::vector<T> out(values.size());
  for (std::uint64_t r0 = 0; r0 < rows; r0 += kTile) {
    for (std::uint64_t c0 = 0; c0 < cols; c0 += kTile) {
      for (std::uint64_t r = r0; r < std::min(rows, r0 + kTile); ++r) {
        for (std::uint64_t c = c0; c < std::min(cols, c0 + kTile); ++c)
          out[c * rows + r] = values[r * cols + c];
      }
    }
  }
  return out;
}

std::vector<std::byte> half_bytes(const std::vector<float>& values, bool bf16) {
  std::vector<std::uint16_t> halves;
  halves.reserve(values.size());
  for (const float value : values) halves.push_back(bf16 ? f32_to_bf16(value) : f32_to_f16(value));
  return bytes_of(halves);
}

/// Eight columns of a word of AWQ: nibble i is of column kAwqOrder[i].
constexpr std::uint8_t kAwqOrder[8] = {0, 2, 4, 6, 1, 3, 5, 7};

/// [outer, inner] codes of 4 bits: [outer, inner / 8] words.
std::vector<std::byte> pack_awq(const std::vector<std::uint8_t>& codes, std::uint64_t outer,
                                std::uint64_t inner) {
  std::vector<std::uint32_t> words(outer * inner / 8);
  for (std::uint64_t w = 0; w < words.size(); ++w) {
    for (unsigned i = 0; i < 8; ++i)
      words[w] |= static_cast<std::uint32_t>(codes[w * 8 + kAwqOrder[i]]) << (4 * i);
  }
  return bytes_of(words);
}

/// Throws for a size that is not so divisible.
void require_multiple(std::string_view what, std::uint64_t size, std::uint64_t of) {
  if (size % of == 0) return;
  throw Error(ErrorKind::input_invalid, "a matrix with " + std::to_string(size) + " " + std::string(what) +
                                            " cannot be stored: it needs a multiple of " +
                                            std::to_string(of));
}

void require_groups(const IntegerScheme& scheme, std::uint64_t cols) {
  if (scheme.group_size == 0 || cols % scheme.group_size == 0) return;
  // The nearest power of two that divides.
  std::uint64_t nearest = 1;
  while (nearest * 2 <= scheme.group_size && cols % (nearest * 2) == 0) nearest *= 2;
  throw Error(ErrorKind::input_invalid,
              "groups of " + std::to_string(scheme.group_size) + " do not divide a matrix with " +
                  std::to_string(cols) + " inputs",
              (nearest >= 16 ? "--group-size " + std::to_string(nearest) + " does; " : std::string()) +
                  "--group-size -1 has one scale for all inputs");
}

DType scale_type(const IntegerScheme& scheme) {
  return scheme.bf16_scales ? DType::bf16 : DType::f16;
}

}  // namespace

std::vector<std::uint32_t> pack_dense(std::span<const std::uint8_t> codes, unsigned bits) {
  std::vector<std::uint32_t> words(packed_words(codes.size(), bits));
  DensePacker packer(bits, words.data(), 1);
  for (const std::uint8_t code : codes) packer.put(code);
  packer.finish();
  return words;
}

std::vector<IntegerPart> integer_parts(IntegerLayout layout, const IntegerScheme& scheme, std::uint64_t rows,
                                       std::uint64_t cols) {
  require_groups(scheme, cols);
  const std::uint64_t groups = scheme.groups(cols);
  const DType scale = scale_type(scheme);
  switch (layout) {
    case IntegerLayout::gptq:
    case IntegerLayout::gptq_v2:
      require_multiple("inputs", cols, 32);
      require_multiple("outputs", rows, 32);
      return {{"qweight", DType::i32, {cols * scheme.bits / 32, rows}},
              {"qzeros", DType::i32, {groups, rows * scheme.bits / 32}},
              {"scales", scale, {groups, rows}},
              {"g_idx", DType::i32, {cols}}};
    case IntegerLayout::awq:
      QTZ_CHECK(scheme.bits == 4);
      require_multiple("outputs", rows, 8);
      return {{"qweight", DType::i32, {cols, rows / 8}},
              {"qzeros", DType::i32, {groups, rows / 8}},
              {"scales", scale, {groups, rows}}};
    case IntegerLayout::compressed:
      break;
  }
  std::vector<IntegerPart> parts{{"weight_packed", DType::i32, {rows, packed_words(cols, scheme.bits)}},
                                 {"weight_scale", scale, {rows, groups}},
                                 {"weight_shape", DType::i64, {2}}};
  if (!scheme.symmetric) {
    parts.push_back({"weight_zero_point", DType::i32, {packed_words(rows, scheme.bits), groups}});
  }
  return parts;
}

std::vector<std::vector<std::byte>> store_integers(IntegerLayout layout, const IntegerMatrix& matrix) {
  const IntegerScheme& scheme = matrix.scheme;
  const std::uint64_t groups = scheme.groups(matrix.cols);
  if (layout == IntegerLayout::gptq || layout == IntegerLayout::gptq_v2) {
    std::vector<std::int32_t> indices;
    for (std::uint64_t c = 0; c < matrix.cols; ++c)
      indices.push_back(static_cast<std::int32_t>(matrix.group_of(c)));
    return {pack_columns(matrix.codes, matrix.cols, matrix.rows, scheme.bits),
            pack_rows(matrix.zeros, groups, matrix.rows, scheme.bits, layout == IntegerLayout::gptq ? 1 : 0),
            half_bytes(matrix.scales, scheme.bf16_scales), bytes_of(indices)};
  }
  QTZ_CHECK(matrix.column_groups.empty());
  if (layout == IntegerLayout::awq) {
    return {pack_awq(matrix.codes, matrix.cols, matrix.rows), pack_awq(matrix.zeros, groups, matrix.rows),
            half_bytes(matrix.scales, scheme.bf16_scales)};
  }
  std::vector<std::vector<std::byte>> stored{
      pack_rows(transposed(matrix.codes, matrix.cols, matrix.rows), matrix.rows, matrix.cols, scheme.bits, 0),
      half_bytes(transposed(matrix.scales, groups, matrix.rows), scheme.bf16_scales),
      bytes_of(std::vector<std::uint64_t>{matrix.rows, matrix.cols})};
  if (!scheme.symmetric)
    stored.push_back(
        pack_columns(transposed(matrix.zeros, groups, matrix.rows), matrix.rows, groups, scheme.bits));
  return stored;
}

}  // namespace qtz
