// GLM-4.7 Flash: DeepSeek 2's tensors with GLM's tokenizer; prediction layers are kept.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/deepseek_family.h"
#include "model/config_parts.h"

namespace qtz::arch {

ArchSpec glm4_moe_lite() {
  ArchSpec spec = deepseek2();
  spec.classes = {"Glm4MoeLiteForCausalLM"};
  spec.tokenizer = glm4_moe_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-5, "rope_theta": 10000.0})";
  spec.keys.push_back(computed_keys([](ArchBuild& build) {
    const auto layers = build.config.uint("num_nextn_predict_layers").value_or(0);
    if (layers > 0) build.set("nextn_predict_layers", static_cast<std::uint32_t>(layers));
  }));
  spec.tensors = joined<TensorRule>({spec.tensors, prediction_layer()});
  spec.extra_layers_reason = {};
  spec.prediction = {.keep = true, .drop = true, .only = true};
  spec.prepare = one_kv_head_and_prediction_layers;
  spec.parts = {{"blk.{L}.exp_probs_b.bias", layer_has_experts}};
  return spec;
}

}  // namespace qtz::arch
