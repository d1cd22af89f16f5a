// FP8 and INT8 weights: a byte for each number, and scales.
#include "model/quantized/quant_methods.h"

#include "qtz/core/error.h"

namespace qtz {

namespace {

struct Block {
  std::uint64_t rows, cols;
};

/// How scales are named after their weights: the ends of both names.
struct ScaleName {
  std::string_view scale, weight;
};
constexpr ScaleName kScaleNames[] = {
    {"_scale_inv", ""},             // DeepSeek, Qwen: a factor in spite of its name
    {".qscale_weight", ".weight"},  // Mistral
    {"_scale", ""},                 // compressed-tensors, ModelOpt, FBGEMM
    {".scale", ".weight"},          // DeepSeek V4
};

bool is_coded(DType type) {
  return type == DType::f8_e4m3 || type == DType::f8_e5m2 || type == DType::i8;
}
bool is_float(DType type) {
  return type == DType::f32 || type == DType::f16 || type == DType::bf16;
}

/// "weight_block_size": [128, 128] of the fp8 method.
std::optional<Block> told_block(const ModelConfig& settings) {
  const std::vector<std::uint64_t> sizes = settings.uints("weight_block_size");
  if (sizes.empty()) return std::nullopt;
  if (sizes.size() != 2 || sizes[0] == 0 || sizes[1] == 0) {
    settings.refuse("weight_block_size", "is not a pair of sizes");
  }
  return Block{sizes[0], sizes[1]};
}

std::uint64_t blocks_in(std::uint64_t size, std::uint64_t block) {
  return (size + block - 1) / block;
}

/// The block whose scales have this shape, as rows and columns of one matrix of the weight; empty if none is
/// sure.
std::optional<Block> block_of(std::uint64_t rows, std::uint64_t cols, std::uint64_t scale_rows,
                              std::uint64_t scale_cols, const std::optional<Block>& told) {
  if (scale_rows == 1 && scale_cols == 1 && !told) return Block{rows, cols};
  if (told && scale_rows == blocks_in(rows, told->rows) && scale_cols == blocks_in(cols, told->cols))
    return told;
  if (scale_rows == 1 && scale_cols == 1) return Block{rows, cols};
  if (scale_rows == rows && scale_cols == 1) return Block{1, cols};
  if (told || scale_rows == 0 || scale_cols == 0) return std::nullopt;
  // Nobody says how large the blocks are: only sizes that leave no choice.
  if (rows % scale_rows != 0 || cols % scale_cols != 0) return std::nullopt;
  return Block{rows / scale_rows, cols / scale_cols};
}

void decode(DecodeBuild& build, const TensorInfo& weight, const TensorInfo& scale,
            const std::optional<Block>& told) {
  const Shape& shape = weight.shape;
  if (shape.rank() < 2 || shape.elements() == 0) build.refuse(weight, "is no matrix, but has a scale");
  const std::uint64_t cols = shape.cols();
  std::uint64_t matrix_rows = shape[shape.rank() - 2];
  std::uint64_t matrices = shape.rows() / matrix_rows;
  std::uint64_t scale_rows = 1;
  std::uint64_t scale_cols = 1;
  std::vector<std::uint64_t> dims = scale.shape.dims();
  if (scale.shape.elements() == 1) {
    matrix_rows *= matrices;  // one number for all
    matrices = 1;
  } else {
    // Missing dimensions are those of one element at the end: [rows] is [rows, 1].
    while (dims.size() < shape.rank()) dims.push_back(1);
    scale_rows = dims[dims.size() - 2];
    scale_cols = dims.back();
    const bool same_matrices =
        dims.size() == shape.rank() && std::equal(dims.begin(), dims.end() - 2, shape.dims().begin());
    if (!same_matrices)
      build.refuse(scale, "does not fit '" + printable(weight.name) + "' " + shape.to_string());
  }
  const auto block =
      block_of(matrix_rows, cols, scale_rows, scale_cols, scale.shape.elements() == 1 ? std::nullopt : told);
  if (!block) {
    build.refuse(
        scale,
        "does not fit '" + printable(weight.name) + "' " + shape.to_string() +
            (told ? " in blocks of " + std::to_string(told->rows) + " x " + std::to_string(told->cols) : ""));
  }
  if (!is_plain(scale.dtype)) build.refuse(scale, "should have numbers as scales");
  TensorExprPtr scales = reshaped(build.take(scale), Shape{matrices * scale_rows, scale_cols});
  build.give(weight, weight.name,
             scaled(build.take(weight), std::move(scales), {matrix_rows, block->rows, block->cols}));
}

}  // namespace

void decode_scaled_weights(DecodeBuild& build) {
  const std::optional<Block> told = told_block(build.settings());
  for (const TensorInfo* scale : build.left()) {
    for (const ScaleName& names : kScaleNames) {
      const std::string_view base = before(scale->name, names.scale);
      if (base.empty()) continue;
      const TensorInfo* weight = build.find(std::string(base) + std::string(names.weight));
      if (weight == nullptr) continue;
      if (is_coded(weight->dtype)) {
        decode(build, *weight, *scale, told);
        break;
      }
      if (is_float(weight->dtype) && names.scale != ".scale") {
        build.leave_out(*scale, "'" + weight->name + "' is stored as numbers that need no scale");
        break;
      }
    }
  }
}

}  // namespace qtz
