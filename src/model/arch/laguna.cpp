// Laguna: gated attention with a head count of its own in each layer, leading dense layers, then
// sigmoid-routed experts and one shared expert.
#include <algorithm>

#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"

namespace qtz::arch {

namespace {

std::uint32_t rotated(const ModelConfig& config, const JsonValue& rope) {
  const double part = config.rope_number(rope, "partial_rotary_factor").value_or(1.0);
  return static_cast<std::uint32_t>(static_cast<double>(config.head_dim()) * part);
}

void emit_keys(ArchBuild& build) {
  const ModelConfig& config = build.config;
  std::vector<std::int32_t> heads;
  for (const std::uint64_t count : config.uints("num_attention_heads_per_layer")) {
    heads.push_back(static_cast<std::int32_t>(count));
  }
  if (heads.empty()) heads.assign(config.block_count(), static_cast<std::int32_t>(config.head_count()));
  if (heads.size() != config.block_count()) {
    config.refuse("num_attention_heads_per_layer", "has not one entry for each layer");
  }
  build.set("attention.head_count", heads);
  const auto window = config.uint("sliding_window").value_or(0);
  if (window > 0) build.set("attention.sliding_window", static_cast<std::uint32_t>(window));
  build.set("expert_weights_norm", true);
  build.set("expert_gating_func", std::uint32_t{2});  // sigmoid
  std::uint32_t dense = 0;
  for (const std::string& type : config.texts("mlp_layer_types")) {
    if (type != "dense") break;
    ++dense;
  }
  build.set("leading_dense_block_count", dense);
  build.set("rope.dimension_count", rotated(config, config.main_rope()));
  if (const JsonValue* sliding = config.rope().find("sliding_attention"); sliding != nullptr) {
    build.set("rope.dimension_count_swa", rotated(config, *sliding));
  }
}

/// The gate has a value for each head, or one for each of its elements: "gate_width" of each layer.
void prepare(ModelConfig& config) {
  const std::uint64_t layers = config.block_count();
  const auto gating = config.find("gating");
  const bool is_flag = gating && gating->value->as_bool().has_value();
  std::vector<std::string> types = config.texts("gating_types");
  if (types.empty()) {
    types.assign(layers, is_flag ? "per-head" : config.text("gating").value_or(""));
  }
  JsonArray widths;
  for (std::string& type : types) {
    std::replace(type.begin(), type.end(), '_', '-');
    if (type != "per-head" && type != "per-element") {
      config.refuse("gating", "is neither 'per-head' nor 'per-element'");
    }
    if (type == "per-element" && (!gating || is_flag)) {
      // transformers and vLLM read 'gating' alone, and true as per head.
      config.refuse("gating", "contradicts 'gating_types': it must be \"per-element\"");
    }
    widths.emplace_back(type == "per-head" ? std::uint64_t{1} : config.head_dim());
  }
  if (widths.size() < layers) config.refuse("gating_types", "has not one entry for each layer");
  config.set("gate_width", std::move(widths));
}

}  // namespace

ArchSpec laguna() {
  ArchSpec spec;
  spec.classes = {"LagunaForCausalLM"};
  spec.gguf_name = "laguna";
  spec.tokenizer = laguna_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-6})";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      {
          u32_key("vocab_size", "vocab_size"),
          u32_key("expert_feed_forward_length", "moe_intermediate_size"),
          u32_key("expert_shared_feed_forward_length", "shared_expert_intermediate_size"),
          f32_key("expert_weights_scale", "moe_routed_scaling_factor"),
          computed_keys(emit_keys),
      },
  });
  spec.tensors = joined<TensorRule>({
      trunk(),
      attention(),
      query_key_norms(),
      mlp_norm(),
      {
          {"model.layers.{L}.self_attn.g_proj.weight", "blk.{L}.attn_gate.weight"},
          {"model.layers.{L}.mlp.experts.e_score_correction_bias", "blk.{L}.exp_probs_b.bias", nullptr, "?"},
          {"model.layers.{L}.mlp.shared_expert.gate_proj.weight", "blk.{L}.ffn_gate_shexp.weight", nullptr,
           "ffn:experts"},
          {"model.layers.{L}.mlp.shared_expert.up_proj.weight", "blk.{L}.ffn_up_shexp.weight", nullptr,
           "ffn:experts"},
          {"model.layers.{L}.mlp.shared_expert.down_proj.weight", "blk.{L}.ffn_down_shexp.weight", nullptr,
           "ffn:experts"},
      },
      experts(),
      gated_mlp(),
  });
  spec.prepare = prepare;
  return spec;
}

}  // namespace qtz::arch
