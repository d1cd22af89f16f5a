// Four-bit floats (E2M1) with a scale for each 16 or 32 of them.
#include "model/quantized/quant_methods.h"
#include "qtz/core/error.h"

namespace qtz {

namespace {

constexpr std::uint64_t kNvfp4Block = 16;
constexpr std::uint64_t kNvfp4SuperBlock = 64;  // of GGUF's
constexpr std::uint64_t kMxfp4Block = 32;

Shape with_cols(const Shape& shape, std::uint64_t cols) {
  std::vector<std::uint64_t> dims = shape.dims();
  dims.back() = cols;
  return Shape(std::move(dims));
}

bool is_bytes(DType type) {
  return type == DType::u8 || type == DType::i8;
}

/// One number for the whole tensor, or for each of its matrices.
TensorExprPtr with_global(DecodeBuild& build, const TensorInfo& scale, const TensorInfo& global,
                          bool divide) {
  const Shape& shape = scale.shape;
  const std::uint64_t matrix_rows = shape[shape.rank() - 2];
  const std::uint64_t matrices = shape.rows() / matrix_rows;
  const std::uint64_t globals = global.shape.elements();
  if (!is_plain(global.dtype) || (globals != 1 && globals != matrices)) {
    build.refuse(global, "does not fit '" + printable(scale.name) + "' " + shape.to_string());
  }
  const std::uint64_t rows = globals == 1 ? shape.rows() : matrix_rows;
  return scaled(build.take(scale), reshaped(build.take(global), Shape{globals, 1}),
                {rows, rows, shape.cols(), divide});
}

/// One number as F32 [1], or one divided by it; null if it is more than one.
TensorExprPtr one_number(DecodeBuild& build, const TensorInfo& number, bool reciprocal) {
  if (!is_plain(number.dtype) || number.shape.elements() != 1) return nullptr;
  const Shape cell{1, 1};
  TensorExprPtr value = reshaped(build.take(number), cell);
  return reshaped(scaled(constant(cell, {1.0f}), std::move(value), {1, 1, 1, reciprocal}), Shape{1});
}

/// The weight as GGUF's blocks, if it is a matrix of whole ones and one factor is for all of it.
void keep_nvfp4(DecodeBuild& build, const TensorInfo& codes, const TensorInfo& scales,
                const TensorInfo& global, std::string_view base, bool reciprocal) {
  if (codes.shape.rank() != 2 || codes.shape.cols() * 2 % kNvfp4SuperBlock != 0) return;
  TensorExprPtr factor = one_number(build, global, reciprocal);
  if (factor == nullptr) return;
  const TensorInfo* input =
      build.find(std::string(base) + (reciprocal ? ".input_global_scale" : ".input_scale"));
  TensorExprPtr input_factor = input == nullptr ? nullptr : one_number(build, *input, reciprocal);
  if (input_factor == nullptr) input = nullptr;
  build.keep({nvfp4_blocks(build.take(codes), build.take(scales)), std::move(factor), std::move(input_factor),
              &codes, input});
}

/// base + "weight_packed" or, as ModelOpt has it, base + "weight" in bytes.
void decode_nvfp4(DecodeBuild& build, const TensorInfo& codes, std::string_view weight) {
  const TensorInfo& scale = build.need(weight, "_scale", codes);
  const TensorInfo* factor = build.find(std::string(weight) + "_scale_2");
  const TensorInfo& global = factor != nullptr ? *factor : build.need(weight, "_global_scale", codes);
  const std::uint64_t cols = codes.shape.cols() * 2;
  if (scale.dtype != DType::f8_e4m3 || cols % kNvfp4Block != 0 ||
      scale.shape != with_cols(codes.shape, cols / kNvfp4Block)) {
    build.refuse(scale, "should be F8_E4M3 with one scale for 16 of the numbers in '" +
                            printable(codes.name) + "' " + codes.shape.to_string());
  }
  TensorExprPtr scales = with_global(build, scale, global, factor == nullptr);
  TensorExprPtr values = looked_up(packed_codes(build.take(codes), cols, {.bits = 4}), e2m1_values());
  const std::uint64_t rows = codes.shape.rows();
  build.give(codes, std::string(weight),
             scaled(std::move(values), std::move(scales), {rows, 1, kNvfp4Block}));
  const std::string_view base = before(weight, ".weight");
  if (build.keeps_blocks() && !base.empty()) keep_nvfp4(build, codes, scale, global, base, factor == nullptr);
}

/// Codes as [rows, bytes], exponents as [rows, blocks].
void decode_mxfp4(DecodeBuild& build, const TensorInfo& codes, const TensorInfo& exponents,
                  std::string_view weight) {
  const std::uint64_t cols = codes.shape.cols() * 2;
  if (cols % kMxfp4Block != 0 || exponents.shape != with_cols(codes.shape, cols / kMxfp4Block)) {
    build.refuse(exponents, "should have one exponent for 32 of the numbers in '" + printable(codes.name) +
                                "' " + codes.shape.to_string());
  }
  std::vector<std::uint64_t> blocks = exponents.shape.dims();
  blocks.push_back(kMxfp4Block / 2);
  build.give(codes, std::string(weight),
             mxfp4_blocks(reshaped(build.take(codes), Shape(std::move(blocks))), build.take(exponents)));
}

/// gpt-oss: [experts, rows, blocks, 16] and [experts, rows, blocks]. The name stays that of the blocks, as
/// these are the rows of the 16-bit model's tensor transposed.
void decode_block_pair(DecodeBuild& build, const TensorInfo& blocks, std::string_view base) {
  const TensorInfo& exponents = build.need(base, "_scales", blocks);
  std::vector<std::uint64_t> dims = blocks.shape.dims();
  if (dims.size() < 3 || dims.back() != kMxfp4Block / 2) {
    build.refuse(blocks, "should have 16 bytes, two numbers each, in its last dimension");
  }
  dims.pop_back();
  TensorExprPtr codes = build.take(blocks);
  build.give(blocks, blocks.name,
             mxfp4_blocks(std::move(codes), build.take(exponents, DType::u8, Shape(dims))));
}

}  // namespace

void decode_microscaled(DecodeBuild& build) {
  for (const TensorInfo* tensor : build.left()) {
    if (!is_bytes(tensor->dtype) || tensor->shape.rank() < 2 || tensor->shape.elements() == 0) continue;
    const std::string_view name = tensor->name;
    if (const auto base = before(name, "_blocks"); !base.empty()) {
      decode_block_pair(build, *tensor, base);
      continue;
    }
    const auto packed = before(name, "_packed");
    const std::string weight(packed.empty() ? name : packed);
    const auto has = [&](const char* suffix) { return build.find(weight + suffix) != nullptr; };
    if (has("_scale_2") || has("_global_scale")) {
      decode_nvfp4(build, *tensor, weight);
      continue;
    }
    // DeepSeek V4 has ".scale" beside ".weight".
    const auto base = before(name, ".weight");
    const TensorInfo* exponents = build.find(weight + "_scale");
    if (exponents == nullptr && !base.empty()) exponents = build.find(std::string(base) + ".scale");
    if (exponents == nullptr || tensor->shape.rank() != exponents->shape.rank()) continue;
    const bool is_exponent =
        exponents->dtype == DType::f8_e8m0 || (exponents->dtype == DType::u8 && !packed.empty());
    if (is_exponent && tensor->shape.cols() == exponents->shape.cols() * (kMxfp4Block / 2)) {
      decode_mxfp4(build, *tensor, *exponents, weight);
    }
  }
}

}  // namespace qtz
