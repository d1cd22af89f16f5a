// DeepSeek 2 and 3 and Kimi K2: latent attention, leading dense layers, then routed and shared experts.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/deepseek_family.h"
#include "model/config_parts.h"
#include "model/tensor_ops.h"

namespace qtz::arch {

namespace {

void emit_latent_sizes(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const auto set = [&](std::string_view key, std::uint64_t value) {
    build.set(key, static_cast<std::uint32_t>(value));
  };
  const std::uint64_t rank = config.uint("kv_lora_rank").value_or(512);
  const std::uint64_t rope = config.need_uint("qk_rope_head_dim");
  const bool has_experts = config.has("n_routed_experts");
  set("leading_dense_block_count",
      config.uint("first_k_dense_replace").value_or(has_experts ? 0 : config.block_count()));
  set("vocab_size", config.need_uint("vocab_size"));
  if (const auto query_rank = config.uint("q_lora_rank")) set("attention.q_lora_rank", *query_rank);
  set("attention.kv_lora_rank", rank);
  set("attention.key_length", rank + rope);
  set("attention.value_length", rank);
  set("attention.key_length_mla", config.need_uint("qk_nope_head_dim") + rope);
  set("attention.value_length_mla", config.need_uint("v_head_dim"));
  set("expert_feed_forward_length", config.need_uint("moe_intermediate_size|intermediate_size"));
  if (has_experts) set("expert_count", config.need_uint("n_routed_experts"));
  set("expert_shared_count", config.uint("n_shared_experts").value_or(0));
  if (const auto scale = config.number("routed_scaling_factor")) {
    build.set("expert_weights_scale", static_cast<float>(*scale));
  }
  if (config.boolean("norm_topk_prob").value_or(false)) build.set("expert_weights_norm", true);
  set("rope.dimension_count", rope);
  // A tenth of it: what llama.cpp has expected of this architecture since its first files.
  if (const auto scale = config.rope_number(config.rope(), "mscale_all_dim")) {
    build.set("rope.scaling.yarn_log_multiplier", static_cast<float>(0.1 * *scale));
  }
}

/// kv_b's rows as [head, key and value dims].
TensorExprPtr by_head(TensorExprPtr input, const ArchBuild& build) {
  const ModelConfig& config = build.config;
  const std::uint64_t dims = config.need_uint("qk_nope_head_dim") + config.need_uint("v_head_dim");
  const std::uint64_t rank = input->shape().cols();
  return reshaped(std::move(input), Shape{config.head_count(), dims, rank});
}

/// Version 2 chooses its experts without a bias.
bool has_routing_bias(const ModelConfig& config, std::uint64_t layer) {
  const std::string method = config.text("topk_method").value_or("");
  const bool version_2 = config.class_name() == "DeepseekV2ForCausalLM";
  return layer_has_experts(config, layer) && (method.empty() ? !version_2 : method == "noaux_tc");
}

}  // namespace

TensorExprPtr mla_key_part(TensorExprPtr input, const ArchBuild& build) {
  return transposed(
      sliced(by_head(std::move(input), build), 1, 0, build.config.need_uint("qk_nope_head_dim")));
}

TensorExprPtr mla_value_part(TensorExprPtr input, const ArchBuild& build) {
  return sliced(by_head(std::move(input), build), 1, build.config.need_uint("qk_nope_head_dim"),
                build.config.need_uint("v_head_dim"));
}

std::vector<KeyRule> mla_keys() {
  return joined<KeyRule>({standard_keys(), {computed_keys(emit_latent_sizes)}});
}

std::vector<TensorRule> mla_attention() {
  return {
      {"model.layers.{L}.input_layernorm.{W}", "blk.{L}.attn_norm.{W}"},
      {"model.layers.{L}.self_attn.q_proj.{W}", "blk.{L}.attn_q.{W}", nullptr, "query:whole"},
      {"model.layers.{L}.self_attn.q_a_proj.{W}", "blk.{L}.attn_q_a.{W}", nullptr, "query:low_rank"},
      {"model.layers.{L}.self_attn.q_a_layernorm.{W}", "blk.{L}.attn_q_a_norm.{W}", nullptr,
       "query:low_rank"},
      {"model.layers.{L}.self_attn.q_b_proj.{W}", "blk.{L}.attn_q_b.{W}", nullptr, "query:low_rank"},
      {"model.layers.{L}.self_attn.kv_a_proj_with_mqa.{W}", "blk.{L}.attn_kv_a_mqa.{W}"},
      {"model.layers.{L}.self_attn.kv_a_layernorm.{W}", "blk.{L}.attn_kv_a_norm.{W}"},
      {"model.layers.{L}.self_attn.kv_b_proj.weight", "blk.{L}.attn_k_b.weight", mla_key_part},
      {"model.layers.{L}.self_attn.kv_b_proj.weight", "blk.{L}.attn_v_b.weight", mla_value_part},
      {"model.layers.{L}.self_attn.o_proj.{W}", "blk.{L}.attn_output.{W}"},
  };
}

std::vector<TensorRule> mla_feed_forward() {
  return joined<TensorRule>({
      mlp_norm(),
      {{"model.layers.{L}.mlp.gate.e_score_correction_bias", "blk.{L}.exp_probs_b.bias", nullptr, "?"}},
      experts(),
      shared_experts(),
      gated_mlp(),
  });
}

void one_kv_head(ModelConfig& config) {
  config.set("num_key_value_heads", 1);
}

void count_prediction_layers(ModelConfig& config) {
  const std::uint64_t layers = config.uint("num_nextn_predict_layers").value_or(0);
  if (layers == 0) return;
  config.set("trunk_layers", config.block_count());
  config.set("prediction_layers", layers);
  config.set("num_hidden_layers", config.block_count() + layers);
}

void one_kv_head_and_prediction_layers(ModelConfig& config) {
  one_kv_head(config);
  count_prediction_layers(config);
}

std::vector<TensorRule> prediction_layer() {
  return {
      {"model.layers.{L}.eh_proj.weight", "blk.{L}.nextn.eh_proj.weight", nullptr, "?"},
      {"model.layers.{L}.embed_tokens.weight", "blk.{L}.nextn.embed_tokens.weight", nullptr, "?"},
      {"model.layers.{L}.enorm.weight", "blk.{L}.nextn.enorm.weight", nullptr, "?"},
      {"model.layers.{L}.hnorm.weight", "blk.{L}.nextn.hnorm.weight", nullptr, "?"},
      {"model.layers.{L}.shared_head.head.weight", "blk.{L}.nextn.shared_head_head.weight", nullptr, "?"},
      {"model.layers.{L}.shared_head.norm.weight", "blk.{L}.nextn.shared_head_norm.weight", nullptr, "?"},
  };
}

ArchSpec deepseek2() {
  ArchSpec spec;
  spec.classes = {"DeepseekV2ForCausalLM", "DeepseekV3ForCausalLM"};
  spec.gguf_name = "deepseek2";
  spec.tokenizer = kimi_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-6, "rope_theta": 10000.0})";
  spec.keys = mla_keys();
  spec.tensors = joined<TensorRule>({trunk(), mla_attention(), mla_feed_forward()});
  spec.extra_layers_reason = "multi-token prediction, which llama.cpp does not use for this architecture";
  spec.prepare = one_kv_head;
  spec.parts = {{"blk.{L}.exp_probs_b.bias", has_routing_bias}};
  return spec;
}

}  // namespace qtz::arch
