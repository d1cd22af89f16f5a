// GLM-4.5 to 4.7: leading dense layers, then sigmoid-routed experts; prediction layers are kept.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/deepseek_family.h"
#include "model/config_parts.h"

namespace qtz::arch {

namespace {

void emit_rope_and_gating(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const double part = config.rope_number(config.rope(), "partial_rotary_factor").value_or(0.5);
  build.set("rope.dimension_count",
            static_cast<std::uint32_t>(static_cast<double>(config.head_dim()) * part));
  build.set("expert_gating_func", std::uint32_t{2});  // sigmoid
}

bool has_query_key_norms(const ModelConfig& config, std::uint64_t) {
  return config.boolean("use_qk_norm").value_or(false);
}

}  // namespace

ArchSpec glm4_moe() {
  ArchSpec spec;
  spec.classes = {"Glm4MoeForCausalLM"};
  spec.gguf_name = "glm4moe";
  spec.tokenizer = glm4_moe_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-5, "rope_theta": 10000.0, "head_dim": 128})";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      {
          computed_keys(emit_rope_and_gating),
          optional_key(u32_key("expert_feed_forward_length", "moe_intermediate_size")),
          optional_key(u32_key("expert_shared_count", "n_shared_experts")),
          optional_key(u32_key("leading_dense_block_count", "first_k_dense_replace")),
          optional_key(f32_key("expert_weights_scale", "routed_scaling_factor")),
          optional_key(bool_key("expert_weights_norm", "norm_topk_prob")),
          optional_key(u32_key("nextn_predict_layers", "num_nextn_predict_layers")),
      },
  });
  spec.tensors = joined<TensorRule>({
      trunk(),
      attention(),
      needed_as("?", query_key_norms()),
      {
          {"model.layers.{L}.post_attention_layernorm.{W}", "blk.{L}.post_attention_norm.{W}"},
          {"model.layers.{L}.mlp.gate.e_score_correction_bias", "blk.{L}.exp_probs_b.bias", nullptr, "?"},
      },
      experts(),
      shared_experts(),
      gated_mlp(),
      prediction_layer(),
  });
  spec.prepare = count_prediction_layers;
  spec.parts = {
      {"blk.{L}.attn_q_norm.weight", has_query_key_norms},
      {"blk.{L}.attn_k_norm.weight", has_query_key_norms},
      {"blk.{L}.attn_output.bias", never},
  };
  return spec;
}

}  // namespace qtz::arch
