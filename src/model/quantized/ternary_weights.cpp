// BitNet checkpoints: ternary weights, four rows in one, with one scale; or the weights that training goes on
// with, which the model rounds to three values while it runs.
#include <algorithm>

#include "model/quantized/quant_methods.h"
#include "qtz/core/error.h"

namespace qtz {

namespace {

/// How "linear_class" and "quantization_mode" together store weights.
enum class Form {
  divided,     ///< packed, to be divided by their scale: "bitlinear" in either mode
  multiplied,  ///< packed or plain, times their scale: "autobitlinear", "offline"
  rounded,     ///< plain, and ternary only when used: "autobitlinear", "online"
};

Form form_of(const ModelConfig& settings) {
  const std::string linear = settings.text("linear_class").value_or("bitlinear");
  const std::string mode = settings.text("quantization_mode").value_or("offline");
  if (mode != "offline" && mode != "online") {
    settings.refuse("quantization_mode", "'" + printable(mode) + "' is neither 'offline' nor 'online'");
  }
  if (linear == "bitlinear") return Form::divided;
  if (linear != "autobitlinear") {
    settings.refuse("linear_class", "'" + printable(linear) + "' is neither 'bitlinear' nor 'autobitlinear'");
  }
  return mode == "online" ? Form::rounded : Form::multiplied;
}

bool is_float(DType type) {
  return type == DType::f32 || type == DType::f16 || type == DType::bf16;
}

/// Whether transformers replaces the module by one that rounds: projections of the layers but for those named
/// in "modules_to_not_convert". Embedding and output stay as they are.
bool is_rounded(const TensorInfo& tensor, const std::vector<std::string>& left_alone) {
  const std::string_view module = before(tensor.name, ".weight");
  if (!is_float(tensor.dtype) || tensor.shape.rank() != 2 || !module.ends_with("_proj") ||
      module.find("layers.") == std::string_view::npos) {
    return false;
  }
  return std::none_of(left_alone.begin(), left_alone.end(), [&](const std::string& name) {
    return module.starts_with(name) || module.ends_with(name);
  });
}

void decode_stored(DecodeBuild& build, bool divide) {
  for (const TensorInfo* scale : build.left()) {
    const auto name = before(scale->name, "_scale");
    const TensorInfo* weight = name.empty() ? nullptr : build.find(name);
    const bool packed = weight != nullptr && weight->dtype == DType::u8;
    if (weight == nullptr || !(packed || (is_float(weight->dtype) && !divide))) continue;
    if (weight->shape.rank() != 2 || weight->shape.elements() == 0)
      build.refuse(*weight, "should be a matrix");
    if (scale->shape.elements() != 1 || !is_plain(scale->dtype)) build.refuse(*scale, "should be one number");
    const std::uint64_t rows = weight->shape[0];
    TensorExprPtr factor = build.take(*scale);
    TensorExprPtr values = packed ? ternary_rows(build.take(*weight), std::move(factor), 4 * rows, divide)
                                  : scaled(build.take(*weight), reshaped(std::move(factor), Shape{1, 1}),
                                           {rows, rows, weight->shape[1]});
    build.give(*weight, weight->name, std::move(values));
  }
}

}  // namespace

void decode_bitnet(DecodeBuild& build) {
  const Form form = form_of(build.settings());
  if (form != Form::rounded) return decode_stored(build, form == Form::divided);
  const std::vector<std::string> left_alone = build.settings().texts("modules_to_not_convert");
  for (const TensorInfo* tensor : build.left()) {
    if (is_rounded(*tensor, left_alone))
      build.give(*tensor, tensor->name, absmean_ternary(build.take(*tensor)));
  }
}

}  // namespace qtz
