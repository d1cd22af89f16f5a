// Gemma 3n, text part: four parallel streams (AltUp), low-rank residuals (Laurel), an embedding per layer,
// sparse activations.
#include <cmath>
#include <limits>
#include <numbers>

#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/gemma_family.h"
#include "model/tensor_ops.h"

namespace qtz::arch {

namespace {

/// The point below which a standard normal variable lies with probability p. Every step is rounded to single
/// precision, as where these models are trained and converted: the last bit depends on that.
float normal_quantile(float p) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  if (p <= 0.0f) return -kInfinity;
  if (p >= 1.0f) return kInfinity;
  const float centered = 2.0f * p - 1.0f;
  double low = -6;
  double high = 6;
  for (int step = 0; step < 200; ++step) {
    const double middle = (low + high) / 2;
    (std::erf(middle) < static_cast<double>(centered) ? low : high) = middle;
  }
  return static_cast<float>(low) * std::numbers::sqrt2_v<float>;
}

void emit_layers(ArchBuild& build) {
  const ModelConfig& config = build.config;
  if (config.need_uint("altup_num_inputs") != 4) config.refuse("altup_num_inputs", "is not 4");
  const auto pattern = config.find("activation_sparsity_pattern");
  std::vector<float> scales;
  if (pattern && pattern->value->as_array() != nullptr) {
    for (const JsonValue& value : *pattern->value->as_array()) {
      const auto part = value.as_double();
      if (!part) config.refuse(pattern->name, "is not a list of numbers");
      scales.push_back(normal_quantile(static_cast<float>(*part)));
    }
  }
  build.set("activation_sparsity_scale", scales);
  build.set("attention.sliding_window_pattern",
            GgufValue::bool_array(layers_of_type(config, "sliding_attention")));
}

/// Tokens of pictures and sound have rows in one embedding but not in the other; those rows are zeros.
TensorExprPtr filled_up(TensorExprPtr input, const ArchBuild& build) {
  const std::uint64_t rows = build.config.need_uint("vocab_size");
  const std::uint64_t have = input->shape().rank() < 2 ? rows : input->shape()[0];
  if (have >= rows) return input;
  const Shape missing{rows - have, input->shape().cols()};
  const DType type = input->dtype();
  return concatenated({std::move(input), zeros(missing, type)});
}

}  // namespace

std::vector<TensorRule> per_layer_embeddings() {
  return {
      {"model.embed_tokens_per_layer.weight", "per_layer_token_embd.weight", filled_up, "?"},
      {"model.per_layer_model_projection.weight", "per_layer_model_proj.weight", nullptr, "?"},
      {"model.per_layer_projection_norm.weight", "per_layer_proj_norm.weight", nullptr, "?"},
      {"model.layers.{L}.per_layer_input_gate.weight", "blk.{L}.inp_gate.weight", nullptr, "?"},
      {"model.layers.{L}.per_layer_projection.weight", "blk.{L}.proj.weight", nullptr, "?"},
      {"model.layers.{L}.post_per_layer_input_norm.weight", "blk.{L}.post_norm.weight", nullptr, "?"},
  };
}

ArchSpec gemma3n() {
  ArchSpec spec = gemma3();
  spec.classes = {"Gemma3nForCausalLM", "Gemma3nForConditionalGeneration"};
  spec.gguf_name = "gemma3n";
  spec.defaults = R"({"rms_norm_eps": 1e-6, "max_position_embeddings": 32768, "head_dim": 256,
                      "num_attention_heads": 8, "num_key_value_heads": 2, "sliding_window": 512,
                      "rope_theta": 1000000.0, "rope_local_base_freq": 10000.0, "altup_active_idx": 0,
                      "altup_num_inputs": 4, "final_logit_softcapping": 30.0})";
  spec.keys = joined<KeyRule>({
      spec.keys,
      {
          u32_key("altup.active_idx", "altup_active_idx"),
          u32_key("altup.num_inputs", "altup_num_inputs"),
          u32_key("embedding_length_per_layer_input", "hidden_size_per_layer_input"),
          u32_key("attention.shared_kv_layers", "num_kv_shared_layers"),
          computed_keys(emit_layers),
      },
  });
  for (TensorRule& rule : spec.tensors) {
    rule.transform = rule.target == "token_embd.weight" ? filled_up : nullptr;  // norms are whole here
  }
  spec.tensors = joined<TensorRule>({
      spec.tensors,
      per_layer_embeddings(),
      {
          {"model.altup_projections.{N}.weight", "altup_proj.weight"},
          {"model.altup_unembed_projections.{N}.weight", "altup_unembd_proj.weight"},
          {"model.layers.{L}.altup.correct_output_scale", "blk.{L}.altup_correct_scale.weight"},
          {"model.layers.{L}.altup.correction_coefs.weight", "blk.{L}.altup_correct_coef.weight"},
          {"model.layers.{L}.altup.prediction_coefs.weight", "blk.{L}.altup_predict_coef.weight"},
          {"model.layers.{L}.altup.modality_router.weight", "blk.{L}.altup_router.weight"},
          {"model.layers.{L}.altup.router_norm.weight", "blk.{L}.altup_router_norm.weight"},
          {"model.layers.{L}.laurel.linear_left.weight", "blk.{L}.laurel_l.weight"},
          {"model.layers.{L}.laurel.linear_right.weight", "blk.{L}.laurel_r.weight"},
          {"model.layers.{L}.laurel.post_laurel_norm.weight", "blk.{L}.laurel_post_norm.weight"},
      },
  });
  return spec;
}

}  // namespace qtz::arch
