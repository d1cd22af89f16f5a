// bitsandbytes checkpoints: NF4 and FP4 with an absolute maximum for each block of the flattened tensor,
// which may be quantized itself; and LLM.int8() with one for each row.
#include <cmath>

#include "model/quantized/quant_methods.h"
#include "qtz/core/error.h"

namespace qtz {

namespace {

constexpr std::uint64_t kMaxStateBytes = 1u << 16;

// Quantiles of a normal distribution, as the library has them.
constexpr float kNf4[16] = {
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f,
};

// Eight magnitudes in twelfths, then the same with a sign, but for zero.
constexpr float kFp4Twelfths[8] = {0.0f, 0.0625f, 8.0f, 12.0f, 4.0f, 6.0f, 2.0f, 3.0f};

std::vector<float> fp4_values() {
  std::vector<float> values;
  for (const float twelfths : kFp4Twelfths) values.push_back(twelfths / 12.0f);
  for (std::size_t i = 0; i < 8; ++i) values.push_back(i == 0 ? 0.0f : -values[i]);
  return values;
}

/// 1/127 as the library multiplies with it.
constexpr float kInt8Step = 7.874015718698502e-3f;

Shape shape_in(const ModelConfig& state) {
  const std::vector<std::uint64_t> dims = state.uints("shape");
  if (dims.empty() || dims.size() > 4) state.refuse("shape", "is no shape of a weight");
  std::uint64_t elements = 1;
  for (const std::uint64_t dim : dims) {
    if (dim == 0 || elements > (std::uint64_t{1} << 40) / dim)
      state.refuse("shape", "is no shape of a weight");
    elements *= dim;
  }
  return Shape(dims);
}

/// The maxima as F32, one a row.
TensorExprPtr take_absmax(DecodeBuild& build, const TensorInfo& absmax, const std::string& weight,
                          const ModelConfig& state, std::uint64_t blocks) {
  const Shape column{blocks, 1};
  if (absmax.dtype != DType::u8) return reshaped(build.take(absmax, DType::f32, Shape{blocks}), column);
  const std::uint64_t block = state.need_uint("nested_blocksize");
  if (block == 0) state.refuse("nested_blocksize", "is 0");
  const std::uint64_t outer_blocks = (blocks + block - 1) / block;
  const TensorInfo& map = build.need(weight, ".nested_quant_map", absmax);
  const TensorInfo& outer = build.need(weight, ".nested_absmax", absmax);
  const std::vector<float> table = read_floats(*build.take(map, DType::f32, Shape{256}));
  TensorExprPtr codes = reshaped(build.take(absmax, DType::u8, Shape{blocks}), column);
  TensorExprPtr scales = reshaped(build.take(outer, DType::f32, Shape{outer_blocks}), Shape{outer_blocks, 1});
  TensorExprPtr nested = scaled(looked_up(std::move(codes), table), std::move(scales), {blocks, block, 1});
  return plus(std::move(nested), static_cast<float>(state.need_number("nested_offset")));
}

void decode_four_bits(DecodeBuild& build, const TensorInfo& state_text, const std::string& weight,
                      std::vector<float> table) {
  const std::string where = "tensor '" + printable(state_text.name) + "'";
  JsonValue document = parse_json(build.take_text(state_text, kMaxStateBytes),
                                  {.max_bytes = kMaxStateBytes, .max_depth = 8}, where);
  const ModelConfig state(std::move(document), where);
  const Shape shape = shape_in(state);
  const std::uint64_t block = state.need_uint("blocksize");
  if (block == 0) state.refuse("blocksize", "is 0");
  const TensorInfo& bytes = build.need(weight, "", state_text);
  const std::uint64_t wanted = (shape.elements() + 1) / 2;
  const std::uint64_t width = row_bytes(bytes.dtype, bytes.shape.cols());
  if (bytes.bytes < wanted || bytes.bytes - wanted >= std::max<std::uint64_t>(width, 1) || width == 0) {
    build.refuse(bytes, "should have " + std::to_string(wanted) + " bytes for a weight " + shape.to_string());
  }
  const TensorInfo& absmax = build.need(weight, ".absmax", bytes);
  const std::uint64_t blocks = (shape.elements() + block - 1) / block;
  TensorExprPtr maxima = take_absmax(build, absmax, weight, state, blocks);
  // The table is fixed by the type; the stored one is for other programs.
  if (const TensorInfo* map = build.find(weight + ".quant_map")) build.take(*map);
  build.give(bytes, weight, blockwise(build.take(bytes), std::move(maxima), shape, std::move(table), block));
}

void decode_int8(DecodeBuild& build, const TensorInfo& maxima, const std::string& base) {
  const TensorInfo& weight = build.need(base, ".weight", maxima);
  if (weight.dtype != DType::i8 || weight.shape.rank() != 2) build.refuse(weight, "should be a matrix of I8");
  if (const TensorInfo* format = build.find(base + ".weight_format")) {
    const std::string order = build.take_text(*format, 8);
    if (order.find_first_not_of('\0') != std::string::npos)
      build.refuse(*format, "is an order of one GPU generation, not rows");
  }
  const std::uint64_t rows = weight.shape[0];
  TensorExprPtr scales = reshaped(build.take(maxima, DType::f32, Shape{rows}), Shape{rows, 1});
  build.give(weight, weight.name,
             times(scaled(build.take(weight), std::move(scales), {rows, 1, weight.shape[1]}), kInt8Step));
}

}  // namespace

void decode_bitsandbytes(DecodeBuild& build) {
  for (const TensorInfo* tensor : build.left()) {
    const std::string_view name = tensor->name;
    if (const auto weight = before(name, ".quant_state.bitsandbytes__nf4"); !weight.empty()) {
      decode_four_bits(build, *tensor, std::string(weight),
                       std::vector<float>(std::begin(kNf4), std::end(kNf4)));
    } else if (const auto fp4 = before(name, ".quant_state.bitsandbytes__fp4"); !fp4.empty()) {
      decode_four_bits(build, *tensor, std::string(fp4), fp4_values());
    } else if (const auto base = before(name, ".SCB"); !base.empty()) {
      decode_int8(build, *tensor, std::string(base));
    }
  }
}

}  // namespace qtz
