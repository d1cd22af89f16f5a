// AWQ checkpoints in four bits, eight codes a word. "gemm": a transposed matrix packed along its output
// dimension, in an order of its own. "gemv": rows as they are, packed along the input dimension in order,
// with scales and zeros of each row padded to whole words.
#include "model/quantized/quant_methods.h"
#include "qtz/core/error.h"
#include "qtz/core/text.h"

namespace qtz {

namespace {

constexpr std::uint64_t kPerWord = 8;
constexpr CodeLayout kGemmWords{.bits = 4, .order = std::array<std::uint8_t, 8>{0, 4, 1, 5, 2, 6, 3, 7}};
constexpr CodeLayout kGemvWords{.bits = 4};

[[noreturn]] void refuse_scales(DecodeBuild& build, const TensorInfo& scales, const TensorInfo& qweight) {
  build.refuse(scales, "does not fit '" + printable(qweight.name) + "' " + qweight.shape.to_string());
}

void decode_gemm(DecodeBuild& build, const TensorInfo& qweight, const std::string& base) {
  const std::uint64_t in = qweight.shape[0];
  const std::uint64_t out = qweight.shape[1] * kPerWord;
  const TensorInfo& scales = build.need(base, ".scales", qweight);
  const TensorInfo& qzeros = build.need(base, ".qzeros", qweight);
  if (scales.shape.rank() != 2 || scales.shape[1] != out || scales.shape[0] == 0 ||
      in % scales.shape[0] != 0) {
    refuse_scales(build, scales, qweight);
  }
  const std::uint64_t groups = scales.shape[0];
  TensorExprPtr codes = transposed(packed_codes(build.take(qweight), out, kGemmWords));
  TensorExprPtr zeros = transposed(
      packed_codes(build.take(qzeros, DType::i32, Shape{groups, out / kPerWord}), out, kGemmWords));
  build.give(qweight, base + ".weight",
             dequantized(std::move(codes), transposed(build.take_numbers(scales, scales.shape)),
                         std::move(zeros), {.group_size = in / groups}));
}

void decode_gemv(DecodeBuild& build, const TensorInfo& qweight, const std::string& base) {
  const std::uint64_t out = qweight.shape[0];
  const std::uint64_t in = qweight.shape[1] * kPerWord;
  const TensorInfo& scales = build.need(base, ".scales", qweight);
  const TensorInfo& qzeros = build.need(base, ".qzeros", qweight);
  // Padding hides how many groups there are.
  const std::uint64_t told = group_size_of(build.settings());
  const std::uint64_t size = told > 0 ? told : in;
  const std::uint64_t groups = in / size;
  if (scales.shape.rank() != 2 || scales.shape[0] != out || scales.shape[1] < groups ||
      scales.shape[1] % kPerWord != 0 || in % size != 0) {
    refuse_scales(build, scales, qweight);
  }
  const Shape words{out, scales.shape[1] / kPerWord};
  TensorExprPtr zeros = packed_codes(build.take(qzeros, DType::i32, words), groups, kGemvWords);
  TensorExprPtr factors = sliced(build.take_numbers(scales, scales.shape), 1, 0, groups);
  build.give(qweight, base + ".weight",
             dequantized(packed_codes(build.take(qweight), in, kGemvWords), std::move(factors),
                         std::move(zeros), {.group_size = size}));
}

using Reader = void (*)(DecodeBuild&, const TensorInfo&, const std::string&);

Reader reader_of(const ModelConfig& settings) {
  if (settings.need_uint("bits|w_bit") != 4) settings.refuse("bits", "is not 4");
  const std::string version = settings.text("version").value_or("gemm");
  if (equals_ignoring_case(version, "gemm")) return decode_gemm;
  if (equals_ignoring_case(version, "gemv")) return decode_gemv;
  settings.refuse("version", "'" + printable(version) + "' cannot be read; 'gemm' and 'gemv' can");
}

}  // namespace

void decode_awq(DecodeBuild& build) {
  Reader read = nullptr;
  for (const TensorInfo* tensor : build.left()) {
    const auto base = before(tensor->name, ".qweight");
    if (base.empty()) continue;
    if (read == nullptr) read = reader_of(build.settings());
    if (tensor->dtype != DType::i32 || tensor->shape.rank() != 2 || tensor->shape.elements() == 0) {
      build.refuse(*tensor, "should be a matrix of I32");
    }
    read(build, *tensor, std::string(base));
  }
}

}  // namespace qtz
