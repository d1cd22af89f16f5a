#include "model/storage_type.h"

#include <algorithm>

#include "model/name_pattern.h"
#include "qtz/core/error.h"

namespace qtz {

namespace {

/// Matrices kept in F32, by what follows "blk.N." or by the whole name, without ".weight".
constexpr std::string_view kF32Matrices[] = {
    "ffn_gate_inp",       "ffn_gate_inp_shexp", "position_embd",       "token_types",
    "ssm_conv1d",         "ssm_conv1d_q",       "ssm_conv1d_k",        "ssm_conv1d_v",
    "shortconv.conv",     "time_mix_first",     "time_mix_w1",         "time_mix_w2",
    "time_mix_decay_w1",  "time_mix_decay_w2",  "time_mix_lerp_fused", "altup_correct_coef",
    "altup_predict_coef", "indexer.proj",
};

/// "blk.12.ffn_up.weight" to "ffn_up.weight"
std::string_view without_block(std::string_view name) {
  constexpr std::string_view kBlock = "blk.";
  if (!name.starts_with(kBlock)) return name;
  const auto dot = name.find('.', kBlock.size());
  return dot == std::string_view::npos ? name : name.substr(dot + 1);
}

bool is_float(DType type) {
  return type == DType::f32 || type == DType::f16 || type == DType::bf16 || type == DType::f64;
}

/// Whether all that the tensor is made of has this type in the checkpoint, or the tensor itself where there
/// is no checkpoint.
bool is_stored_as(const TensorExpr& expr, DType type) {
  std::vector<const TensorInfo*> inputs;
  expr.collect_inputs(inputs);
  if (inputs.empty()) return expr.dtype() == type;
  return std::all_of(inputs.begin(), inputs.end(),
                     [type](const TensorInfo* input) { return input->dtype == type; });
}

/// Types of fewer than 16 bits a number: only a quantization stores them.
bool is_packed(DType type) {
  constexpr DType kPacked[] = {DType::f8_e4m3, DType::f8_e5m2, DType::f8_e8m0,
                               DType::f6_e2m3, DType::f6_e3m2, DType::f4};
  return is_quantized(type) || std::find(std::begin(kPacked), std::end(kPacked), type) != std::end(kPacked);
}

}  // namespace

void require_float_weights(const TensorInfo& tensor) {
  // Blocks come from a checkpoint's reader, which knows what they hold.
  if (is_float(tensor.dtype) || is_quantized(tensor.dtype)) return;
  throw Error(ErrorKind::input_invalid,
              "tensor '" + printable(tensor.name) + "' " + tensor.shape.to_string() + " has type " +
                  std::string(name_of(tensor.dtype)) + ", but weights are floating-point numbers",
              std::string(hint_for_type(tensor.dtype)));
}

std::string_view hint_for_type(DType type) {
  return is_packed(type) ? "codes of quantized weights, which 'quantization_config' in config.json does not "
                           "explain; use the "
                           "16-bit original"
                         : "use the model's weights in F16, BF16 or F32";
}

DType sixteen_bit_type(std::span<const TensorInfo> tensors) {
  for (const TensorInfo& tensor : tensors) {
    if (tensor.shape.rank() < 2) continue;
    if (tensor.dtype == DType::bf16 || tensor.dtype == DType::f16) return tensor.dtype;
  }
  return DType::f16;
}

DType unquantized_type(std::string_view name, const TensorExpr& expr, const StorageRule& rule) {
  constexpr std::string_view kWeight = ".weight";
  const ArchSpec& spec = rule.spec;
  const DType own =
      expr.dtype() == DType::f16 || expr.dtype() == DType::bf16 ? expr.dtype() : rule.sixteen_bit;
  if (!is_float(expr.dtype())) return expr.dtype();
  if (expr.shape().rank() <= 1 || name.ends_with("_norm.weight")) return DType::f32;
  if (spec.stored_floats) return is_stored_as(expr, DType::f32) ? DType::f32 : own;
  for (const std::string_view target : spec.f32_targets) {
    if (match_name(target, name)) return DType::f32;
  }
  if (!spec.narrow_routers) {
    if (!name.ends_with(kWeight)) return DType::f32;
    std::string_view kind = without_block(name);
    kind.remove_suffix(kWeight.size());
    if (std::find(std::begin(kF32Matrices), std::end(kF32Matrices), kind) != std::end(kF32Matrices)) {
      return DType::f32;
    }
  }
  return own;
}

}  // namespace qtz
