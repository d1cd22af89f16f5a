// NVFP4 as GGUF has it, out of the codes and scales of a checkpoint.
#include "model/quantized/expr_decode.h"

namespace qtz {

namespace {

constexpr std::uint64_t kBlock = 64;
constexpr std::uint64_t kScales = 4;    // of a block, one for each sub-block
constexpr std::uint64_t kSubBytes = 8;  // codes of a sub-block, two a byte
constexpr std::uint64_t kBlockBytes = 36;
constexpr std::byte kSign{0x80};
constexpr std::byte kNan{0x7F};

Shape values_of(const Shape& codes) {
  std::vector<std::uint64_t> dims = codes.dims();
  dims.back() *= 2;
  return Shape(std::move(dims));
}

class Nvfp4Blocks final : public TensorExpr {
 public:
  Nvfp4Blocks(TensorExprPtr codes, TensorExprPtr scales)
      : TensorExpr(values_of(codes->shape()), DType::nvfp4),
        codes_(std::move(codes)),
        scales_(std::move(scales)) {}

  void read_rows(std::uint64_t first, std::uint64_t count, std::span<std::byte> out) const override {
    const std::uint64_t blocks = count * shape().cols() / kBlock;
    std::vector<std::byte> codes(blocks * kScales * kSubBytes);
    std::vector<std::byte> scales(blocks * kScales);
    codes_->read_rows(first, count, codes);
    scales_->read_rows(first, count, scales);
    QTZ_CHECK(out.size() == blocks * kBlockBytes);
    for (std::uint64_t sub = 0; sub < scales.size(); ++sub) {
      std::byte* const block = out.data() + sub / kScales * kBlockBytes;
      const std::byte scale = scales[sub];
      if ((scale & ~kSign) == kNan) refuse_nan(first + sub / kScales * kBlock / shape().cols());
      block[sub % kScales] = scale & ~kSign;
      // GGUF's scales have no sign; the codes have.
      const std::byte flipped = (scale & kSign) == std::byte{0} ? std::byte{0} : std::byte{0x88};
      put_codes(codes.data() + sub * kSubBytes, flipped, block + kScales + sub % kScales * kSubBytes);
    }
  }

  std::uint64_t staging_bytes(std::uint64_t count) const override {
    return count * shape().cols() / kBlock * kBlockBytes + codes_->staging_bytes(count) +
           scales_->staging_bytes(count);
  }
  void collect_inputs(std::vector<const TensorInfo*>& inputs) const override {
    codes_->collect_inputs(inputs);
    scales_->collect_inputs(inputs);
  }

 private:
  /// Elements 2i and 2i + 1 are in byte i; GGUF has elements i and i + 8 there.
  static void put_codes(const std::byte* in, std::byte flipped, std::byte* out) {
    const auto nibble = [&](std::size_t at) {
      return (in[at / 2] ^ flipped) >> (at % 2 * 4) & std::byte{15};
    };
    for (std::size_t i = 0; i < kSubBytes; ++i) out[i] = nibble(i) | nibble(i + kSubBytes) << 4;
  }

  [[noreturn]] void refuse_nan(std::uint64_t row) const {
    throw Error(ErrorKind::numeric,
                describe(*scales_) + " has a scale in row " + std::to_string(row) +
                    " that is NaN, which GGUF's NVFP4 cannot hold",
                "use the model's 16-bit original");
  }

  TensorExprPtr codes_;
  TensorExprPtr scales_;
};

}  // namespace

TensorExprPtr nvfp4_blocks(TensorExprPtr codes, TensorExprPtr scales) {
  QTZ_CHECK(traits(codes->dtype()).block_bytes == 1 && scales->dtype() == DType::f8_e4m3);
  QTZ_CHECK(codes->shape().rank() > 0 && codes->shape().cols() * 2 % kBlock == 0);
  QTZ_CHECK(scales->shape().rows() == codes->shape().rows());
  QTZ_CHECK(scales->shape().cols() * kSubBytes == codes->shape().cols());
  return std::make_shared<Nvfp4Blocks>(std::move(codes), std::move(scales));
}

}  // namespace qtz
