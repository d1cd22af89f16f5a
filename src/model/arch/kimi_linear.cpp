// Kimi Linear: most layers have delta attention, a recurrence with a gate for each channel; the others have
// DeepSeek's latent attention. Experts in all layers but the first.
#include <algorithm>

#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/deepseek_family.h"
#include "model/config_parts.h"
#include "model/tensor_ops.h"
#include "qtz/core/error.h"

namespace qtz::arch {

namespace {

/// A count in "linear_attn_config"; empty when it is not there.
std::optional<std::uint64_t> linear_count(const ModelConfig& config, std::string_view field) {
  const auto part = config.find("linear_attn_config");
  const JsonValue* value = part ? part->value->find(field) : nullptr;
  if (value == nullptr || value->is_null()) return std::nullopt;
  const auto count = value->as_uint();
  if (!count || *count >= (std::uint64_t{1} << 31))
    config.refuse("linear_attn_config." + std::string(field), "is no count");
  return count;
}

/// One for layers of latent attention, none for the others; the configuration counts layers from one.
std::vector<std::int32_t> kv_heads_of_layers(const ModelConfig& config) {
  const auto part = config.find("linear_attn_config");
  const JsonValue* listed = part ? part->value->find("full_attn_layers") : nullptr;
  if (listed == nullptr || listed->as_array() == nullptr)
    config.refuse("linear_attn_config.full_attn_layers", "is missing or no list");
  std::vector<std::int32_t> heads(config.block_count());
  for (const JsonValue& layer : *listed->as_array()) {
    const auto number = layer.as_uint();
    if (!number || *number == 0 || *number > heads.size()) {
      config.refuse("linear_attn_config.full_attn_layers",
                    "names a layer that is none of 1 to " + std::to_string(heads.size()));
    }
    heads[*number - 1] = 1;
  }
  return heads;
}

bool attends_fully(const ModelConfig& config, std::uint64_t layer) {
  const std::vector<std::int32_t> kv_heads = kv_heads_of_layers(config);
  return layer < kv_heads.size() && kv_heads[layer] != 0;
}

/// Delta attention has one projection of the query whatever latent attention has.
bool has_low_rank_query(const ModelConfig& config, std::uint64_t layer) {
  return attends_fully(config, layer) && config.has("q_lora_rank");
}

void emit_sizes(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const auto set = [&](std::string_view key, std::uint64_t value) {
    build.set(key, static_cast<std::uint32_t>(value));
  };
  set("vocab_size", config.need_uint("vocab_size"));
  build.set("attention.head_count_kv", kv_heads_of_layers(config));
  if (const auto width = linear_count(config, "short_conv_kernel_size")) set("ssm.conv_kernel", *width);
  if (const auto dim = linear_count(config, "head_dim")) set("kda.head_dim", *dim);
  if (const auto rank = config.uint("q_lora_rank|n_lora_q")) set("attention.q_lora_rank", *rank);
  const std::uint64_t rank = config.need_uint("kv_lora_rank|n_lora_kv");
  const std::uint64_t rope = config.need_uint("qk_rope_head_dim|n_rot");
  set("attention.kv_lora_rank", rank);
  set("rope.dimension_count", rope);
  set("attention.key_length", rank + rope);
  set("attention.key_length_mla", config.need_uint("qk_nope_head_dim") + rope);
  set("attention.value_length_mla", config.need_uint("v_head_dim"));
  set("expert_feed_forward_length", config.need_uint("moe_intermediate_size"));
  set("expert_shared_count", config.need_uint("num_shared_experts"));
  set("leading_dense_block_count", config.need_uint("first_k_dense_replace"));
  build.set("expert_weights_scale", static_cast<float>(config.need_number("routed_scaling_factor")));
}

/// [inner, width] or [inner, 1, width] as [1, inner, 1, width].
TensorExprPtr convolution(TensorExprPtr input, const ArchBuild&) {
  const std::uint64_t width = input->shape().cols();
  const std::uint64_t inner = input->shape().rows();
  return reshaped(std::move(input), Shape{1, inner, 1, width});
}

std::vector<TensorRule> delta_attention() {
  return {
      {"model.layers.{L}.self_attn.k_proj.weight", "blk.{L}.attn_k.weight"},
      {"model.layers.{L}.self_attn.v_proj.weight", "blk.{L}.attn_v.weight"},
      {"model.layers.{L}.self_attn.q_conv1d.weight", "blk.{L}.ssm_conv1d_q.weight", convolution},
      {"model.layers.{L}.self_attn.k_conv1d.weight", "blk.{L}.ssm_conv1d_k.weight", convolution},
      {"model.layers.{L}.self_attn.v_conv1d.weight", "blk.{L}.ssm_conv1d_v.weight", convolution},
      {"model.layers.{L}.self_attn.f_a_proj.weight", "blk.{L}.ssm_f_a.weight"},
      {"model.layers.{L}.self_attn.f_b_proj.weight", "blk.{L}.ssm_f_b.weight"},
      {"model.layers.{L}.self_attn.b_proj.weight", "blk.{L}.ssm_beta.weight"},
      {"model.layers.{L}.self_attn.A_log", "blk.{L}.ssm_a", decay_rates},
      {"model.layers.{L}.self_attn.dt_bias", "blk.{L}.ssm_dt.bias"},
      {"model.layers.{L}.self_attn.g_a_proj.weight", "blk.{L}.ssm_g_a.weight"},
      {"model.layers.{L}.self_attn.g_b_proj.weight", "blk.{L}.ssm_g_b.weight"},
      {"model.layers.{L}.self_attn.o_norm.weight", "blk.{L}.ssm_norm.weight"},
  };
}

std::vector<TensorRule> latent_attention() {
  return {
      {"model.layers.{L}.self_attn.kv_a_proj_with_mqa.weight", "blk.{L}.attn_kv_a_mqa.weight"},
      {"model.layers.{L}.self_attn.kv_a_layernorm.weight", "blk.{L}.attn_kv_a_norm.weight"},
      {"model.layers.{L}.self_attn.kv_b_proj.weight", "blk.{L}.attn_k_b.weight", mla_key_part},
      {"model.layers.{L}.self_attn.kv_b_proj.weight", "blk.{L}.attn_v_b.weight", mla_value_part},
  };
}

std::vector<TensorRule> feed_forward() {
  return {
      {"model.layers.{L}.block_sparse_moe.gate.weight", "blk.{L}.ffn_gate_inp.weight", nullptr,
       "ffn:experts"},
      {"model.layers.{L}.block_sparse_moe.gate.e_score_correction_bias", "blk.{L}.exp_probs_b.bias", nullptr,
       "?"},
      {"model.layers.{L}.block_sparse_moe.experts.{E}.w1.weight", "blk.{L}.ffn_gate_exps.weight", nullptr,
       "ffn:experts"},
      {"model.layers.{L}.block_sparse_moe.experts.{E}.w2.weight", "blk.{L}.ffn_down_exps.weight", nullptr,
       "ffn:experts"},
      {"model.layers.{L}.block_sparse_moe.experts.{E}.w3.weight", "blk.{L}.ffn_up_exps.weight", nullptr,
       "ffn:experts"},
      {"model.layers.{L}.block_sparse_moe.shared_experts.gate_proj.weight", "blk.{L}.ffn_gate_shexp.weight",
       nullptr, "ffn:experts"},
      {"model.layers.{L}.block_sparse_moe.shared_experts.up_proj.weight", "blk.{L}.ffn_up_shexp.weight",
       nullptr, "ffn:experts"},
      {"model.layers.{L}.block_sparse_moe.shared_experts.down_proj.weight", "blk.{L}.ffn_down_shexp.weight",
       nullptr, "ffn:experts"},
      {"model.layers.{L}.mlp.gate_proj.weight", "blk.{L}.ffn_gate.weight", nullptr, "ffn:dense"},
      {"model.layers.{L}.mlp.up_proj.weight", "blk.{L}.ffn_up.weight", nullptr, "ffn:dense"},
      {"model.layers.{L}.mlp.down_proj.weight", "blk.{L}.ffn_down.weight", nullptr, "ffn:dense"},
  };
}

}  // namespace

ArchSpec kimi_linear() {
  ArchSpec spec;
  spec.classes = {"KimiLinearForCausalLM", "KimiLinearModel"};
  spec.gguf_name = "kimi-linear";
  spec.tokenizer = kimi_tokenizer();
  spec.tokenizer.tiktoken.named_eos = true;
  spec.defaults = R"({"rms_norm_eps": 1e-5, "rope_theta": 10000.0})";
  spec.keys = joined<KeyRule>({standard_keys(), {computed_keys(emit_sizes)}});
  spec.adapt = [](ArchSpec&, ModelConfig& config, const TensorSource&) {
    // Kimi K3 calls its language model by the same class.
    if (!config.has("attn_res_block_size")) return;
    throw Error(ErrorKind::input_invalid,
                config.where() +
                    ": unknown architecture 'KimiK3ForConditionalGeneration': its "
                    "'attn_res_block_size' says that this is no Kimi Linear",
                "`qtz archs` lists what is known");
  };
  spec.tensors = joined<TensorRule>({
      trunk(),
      {
          {"model.layers.{L}.input_layernorm.weight", "blk.{L}.attn_norm.weight"},
          {"model.layers.{L}.self_attn.q_proj.weight", "blk.{L}.attn_q.weight", nullptr, "query:whole"},
          {"model.layers.{L}.self_attn.q_a_proj.weight", "blk.{L}.attn_q_a.weight", nullptr,
           "query:low_rank"},
          {"model.layers.{L}.self_attn.q_a_layernorm.weight", "blk.{L}.attn_q_a_norm.weight", nullptr,
           "query:low_rank"},
          {"model.layers.{L}.self_attn.q_b_proj.weight", "blk.{L}.attn_q_b.weight", nullptr,
           "query:low_rank"},
          {"model.layers.{L}.self_attn.o_proj.weight", "blk.{L}.attn_output.weight"},
      },
      needed_as("mixer:delta", delta_attention()),
      needed_as("mixer:latent", latent_attention()),
      mlp_norm(),
      feed_forward(),
  });
  spec.parts = {
      {"mixer:latent", attends_fully},
      {"mixer:delta",
       [](const ModelConfig& config, std::uint64_t layer) { return !attends_fully(config, layer); }},
      {"query:low_rank", has_low_rank_query},
      {"query:whole",
       [](const ModelConfig& config, std::uint64_t layer) { return !has_low_rank_query(config, layer); }},
      {"blk.{L}.exp_probs_b.bias", layer_has_experts},
  };
  return spec;
}

}  // namespace qtz::arch
