// AWQ checkpoints of the "gemm" kind: a transposed matrix packed along its output dimension, eight codes a
// word in an order of their own.
#include "model/quantized/quant_methods.h"
#include "qtz/core/error.h"

namespace qtz {

namespace {

constexpr CodeLayout kWords{.bits = 4, .order = std::array<std::uint8_t, 8>{0, 4, 1, 5, 2, 6, 3, 7}};

void require_known_form(const ModelConfig& settings) {
  const std::string version = settings.text("version").value_or("gemm");
  if (version != "gemm" && version != "GEMM") {
    settings.refuse("version", "'" + printable(version) + "' cannot be read; 'gemm' can");
  }
  if (settings.need_uint("bits|w_bit") != 4) settings.refuse("bits", "is not 4");
}

void decode(DecodeBuild& build, const TensorInfo& qweight, const std::string& base) {
  if (qweight.dtype != DType::i32 || qweight.shape.rank() != 2 || qweight.shape.elements() == 0) {
    build.refuse(qweight, "should be a matrix of I32");
  }
  const std::uint64_t in = qweight.shape[0];
  const std::uint64_t out = qweight.shape[1] * 8;
  const TensorInfo& scales = build.need(base, ".scales", qweight);
  const TensorInfo& qzeros = build.need(base, ".qzeros", qweight);
  if (scales.shape.rank() != 2 || scales.shape[1] != out || scales.shape[0] == 0 ||
      in % scales.shape[0] != 0) {
    build.refuse(scales, "does not fit '" + printable(qweight.name) + "' " + qweight.shape.to_string());
  }
  const std::uint64_t groups = scales.shape[0];
  TensorExprPtr codes = transposed(packed_codes(build.take(qweight), out, kWords));
  TensorExprPtr zeros =
      transposed(packed_codes(build.take(qzeros, DType::i32, Shape{groups, out / 8}), out, kWords));
  build.give(qweight, base + ".weight",
             dequantized(std::move(codes), transposed(build.take_numbers(scales, scales.shape)),
                         std::move(zeros), {.group_size = in / groups}));
}

}  // namespace

void decode_awq(DecodeBuild& build) {
  bool first = true;
  for (const TensorInfo* tensor : build.left()) {
    const auto base = before(tensor->name, ".qweight");
    if (base.empty()) continue;
    if (first) require_known_form(build.settings());
    first = false;
    decode(build, *tensor, std::string(base));
  }
}

}  // namespace qtz
