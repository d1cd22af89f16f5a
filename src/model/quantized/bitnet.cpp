// BitNet checkpoints with packed ternary weights: four rows in one, and one scale.
#include "model/quantized/quant_methods.h"
#include "qtz/core/error.h"

namespace qtz {

void decode_bitnet(DecodeBuild& build) {
  const ModelConfig& settings = build.settings();
  const std::string mode = settings.text("quantization_mode").value_or("offline");
  if (mode != "offline") {
    settings.refuse("quantization_mode",
                    "'" + printable(mode) + "': weights that the model rounds while it runs cannot be read");
  }
  // The two classes mean opposite things by the same tensor.
  const bool divide = settings.text("linear_class").value_or("bitlinear") == "bitlinear";
  for (const TensorInfo* scale : build.left()) {
    const auto weight = before(scale->name, "_scale");
    const TensorInfo* packed = weight.empty() ? nullptr : build.find(weight);
    if (packed == nullptr || packed->dtype != DType::u8) continue;
    if (packed->shape.rank() != 2) build.refuse(*packed, "should be a matrix");
    if (scale->shape.elements() != 1 || !is_plain(scale->dtype)) build.refuse(*scale, "should be one number");
    build.give(*packed, packed->name,
               ternary_rows(build.take(*packed), build.take(*scale), 4 * packed->shape[0], divide));
  }
}

}  // namespace qtz
