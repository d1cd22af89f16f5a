// Codes out of words, and what they stand for in a table.
#include <bit>

#include "model/quantized/expr_decode.h"
#include "qtz/core/bytes.h"

namespace qtz {

namespace {

constexpr std::uint64_t kWordBytes = 4;

class PackedCodes final : public Decoded<std::uint8_t> {
 public:
  PackedCodes(TensorExprPtr words, Shape shape, const CodeLayout& layout)
      : Decoded(std::move(shape), DType::u8), words_(std::move(words)), layout_(layout) {
    const bool dense_in_words = 32 % layout.bits == 0;
    unit_words_ = layout.per_word > 0 || dense_in_words ? 1 : layout.bits;
    unit_codes_ = layout.per_word > 0 ? layout.per_word : unit_words_ * 32 / layout.bits;
  }

  std::uint64_t staging_bytes(std::uint64_t count) const override {
    return own_staging(count) + count * row_bytes(words_->dtype(), words_->shape().cols()) +
           words_->staging_bytes(count);
  }
  void collect_inputs(std::vector<const TensorInfo*>& inputs) const override {
    words_->collect_inputs(inputs);
  }

 protected:
  std::vector<std::uint8_t> decode(const Rect& rect) const override {
    // Whole units of words, as far as the row has them: the last of a row of bytes may be cut short.
    const std::uint64_t elem = traits(words_->dtype()).block_bytes;
    const std::uint64_t unit_elems = unit_words_ * kWordBytes / elem;
    const std::uint64_t first_unit = rect.first_col / unit_codes_;
    const std::uint64_t units = (rect.first_col + rect.cols + unit_codes_ - 1) / unit_codes_ - first_unit;
    const std::uint64_t first_elem = first_unit * unit_elems;
    const std::uint64_t elems = std::min(units * unit_elems, words_->shape().cols() - first_elem);
    const std::vector<std::byte> bytes = read_rect(*words_, {rect.first_row, rect.rows, first_elem, elems});

    const std::uint64_t row = elems * elem;
    const std::uint64_t skip = rect.first_col - first_unit * unit_codes_;
    std::vector<std::uint8_t> out(rect.rows * rect.cols);
    std::vector<std::uint8_t> codes(units * unit_codes_);
    std::vector<std::byte> padded(units * unit_words_ * kWordBytes);
    for (std::uint64_t r = 0; r < rect.rows; ++r) {
      std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(r * row), row, padded.begin());
      unpack(padded, codes);
      std::copy_n(codes.begin() + static_cast<std::ptrdiff_t>(skip), rect.cols,
                  out.begin() + static_cast<std::ptrdiff_t>(r * rect.cols));
    }
    return out;
  }

 private:
  void unpack(std::span<const std::byte> words, std::span<std::uint8_t> codes) const {
    const std::uint32_t mask = (std::uint32_t{1} << layout_.bits) - 1;
    std::uint64_t held = 0;  // bits not yet taken, lowest first
    unsigned held_bits = 0;
    std::size_t next_word = 0;
    for (std::size_t c = 0; c < codes.size(); ++c) {
      if (c % unit_codes_ == 0) held_bits = 0;
      if (held_bits < layout_.bits) {
        const auto word =
            std::uint64_t{adjusted(load_le<std::uint32_t>(words.data() + kWordBytes * next_word++))};
        held = held_bits == 0 ? word : held | word << held_bits;
        held_bits += 32;
      }
      codes[c] = static_cast<std::uint8_t>((held + layout_.code_add) & mask);
      held >>= layout_.bits;
      held_bits -= layout_.bits;
    }
    if (!layout_.order) return;
    for (std::size_t unit = 0; unit < codes.size(); unit += 8) {
      std::array<std::uint8_t, 8> sequential{};
      std::copy_n(codes.begin() + static_cast<std::ptrdiff_t>(unit), 8, sequential.begin());
      for (std::size_t c = 0; c < 8; ++c) codes[unit + c] = sequential[(*layout_.order)[c]];
    }
  }

  std::uint32_t adjusted(std::uint32_t word) const {
    if (layout_.word_kept != 0 && word == layout_.word_kept) return word;
    return word + layout_.word_add;
  }

  TensorExprPtr words_;
  CodeLayout layout_;
  std::uint64_t unit_words_;  ///< the fewest words that hold whole codes,
  std::uint64_t unit_codes_;  ///< and how many they hold
};

class LookedUp final : public Decoded<float> {
 public:
  LookedUp(TensorExprPtr codes, std::vector<float> table)
      : Decoded(codes->shape(), DType::f32), codes_(std::move(codes)), table_(std::move(table)) {}

  std::uint64_t staging_bytes(std::uint64_t count) const override {
    return own_staging(count) + count * shape().cols() + codes_->staging_bytes(count);
  }
  void collect_inputs(std::vector<const TensorInfo*>& inputs) const override {
    codes_->collect_inputs(inputs);
  }

 protected:
  std::vector<float> decode(const Rect& rect) const override {
    const std::vector<std::byte> codes = read_rect(*codes_, rect);
    std::vector<float> out(codes.size());
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = table_[std::to_integer<std::size_t>(codes[i])];
    return out;
  }

 private:
  TensorExprPtr codes_;
  std::vector<float> table_;
};

}  // namespace

TensorExprPtr packed_codes(TensorExprPtr words, std::uint64_t cols, const CodeLayout& layout) {
  const DType type = words->dtype();
  QTZ_CHECK(type == DType::i32 || type == DType::u32 || type == DType::i8 || type == DType::u8);
  QTZ_CHECK(layout.bits >= 1 && layout.bits <= 8 && words->shape().rank() > 0);
  QTZ_CHECK(!layout.order || layout.bits == 4);
  std::vector<std::uint64_t> dims = words->shape().dims();
  dims.back() = cols;
  return std::make_shared<PackedCodes>(std::move(words), Shape(std::move(dims)), layout);
}

TensorExprPtr looked_up(TensorExprPtr codes, std::vector<float> table) {
  QTZ_CHECK(codes->dtype() == DType::u8);
  table.resize(256);  // codes are smaller than the table given; any byte is a safe index
  return std::make_shared<LookedUp>(std::move(codes), std::move(table));
}

}  // namespace qtz
