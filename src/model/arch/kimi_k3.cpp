// Kimi K3, text part: delta attention (KDA) in three of four layers and latent attention without rotary
// positions in the others, both with an output gate; experts that work on a projection of the state; scores
// that choose among the residuals of earlier layers.
#include <algorithm>

#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/deepseek_family.h"
#include "model/config_parts.h"
#include "model/expr_product.h"
#include "model/tensor_ops.h"
#include "qtz/core/error.h"

namespace qtz::arch {

namespace {

ModelConfig linear_part(const ModelConfig& config) {
  const auto field = config.find("linear_attn_config");
  if (!field) config.refuse("linear_attn_config", "is missing");
  return {*field->value, config.where() + ": 'linear_attn_config'"};
}

/// Which layers attend to everything; the list counts from one.
std::vector<bool> full_layers(const ModelConfig& config) {
  std::vector<bool> out(config.block_count(), false);
  const ModelConfig part = linear_part(config);
  for (const std::uint64_t layer : part.uints("full_attn_layers")) {
    if (layer == 0 || layer > out.size()) {
      part.refuse("full_attn_layers",
                  "names a layer " + std::to_string(layer) + " of 1 to " + std::to_string(out.size()));
    }
    out[layer - 1] = true;
  }
  return out;
}

void emit_keys(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const auto set = [&](std::string_view key, std::uint64_t value) {
    build.set(key, static_cast<std::uint32_t>(value));
  };
  const ModelConfig part = linear_part(config);
  std::vector<std::int32_t> heads;
  for (const bool full : full_layers(config)) heads.push_back(full ? 1 : 0);
  build.set("attention.head_count_kv", heads);
  set("ssm.conv_kernel", part.need_uint("short_conv_kernel_size"));
  set("kda.head_dim", part.need_uint("head_dim"));
  if (const auto bound = part.number("gate_lower_bound")) {
    build.set("kda.gate_lower_bound", static_cast<float>(*bound));
  }
  if (!config.boolean("mla_use_nope").value_or(false)) {
    config.refuse("mla_use_nope", "is not true; llama.cpp knows this model without rotary positions only");
  }
  const std::uint64_t rank = config.need_uint("kv_lora_rank");
  const std::uint64_t rope = config.need_uint("qk_rope_head_dim");
  set("rope.dimension_count", rope);
  set("attention.key_length", rank + rope);
  set("attention.value_length", rank);
  set("attention.key_length_mla", config.need_uint("qk_nope_head_dim") + rope);
  set("attention.value_length_mla", config.need_uint("v_head_dim"));
  if (config.text("hidden_act").value_or("") != "situ") {
    config.refuse("hidden_act", "is not 'situ', the one activation that llama.cpp has for this model");
  }
  if (config.text("moe_router_activation_func").value_or("") != "sigmoid") {
    config.refuse("moe_router_activation_func", "is not 'sigmoid'");
  }
}

bool attends_fully(const ModelConfig& config, std::uint64_t layer) {
  const std::vector<bool> full = full_layers(config);
  return layer < full.size() && full[layer];
}

bool has_delta_attention(const ModelConfig& config, std::uint64_t layer) {
  return !attends_fully(config, layer);
}

/// Delta attention has one projection of the query whatever latent attention has.
bool has_low_rank_query(const ModelConfig& config, std::uint64_t layer) {
  return attends_fully(config, layer) && config.has("q_lora_rank");
}

bool has_latent_experts(const ModelConfig& config, std::uint64_t layer) {
  return layer_has_experts(config, layer) && config.has("routed_expert_hidden_size");
}

/// Heads are no even parts of the state.
void prepare(ModelConfig& config) {
  one_kv_head(config);
  if (config.has("head_dim")) return;
  config.set("head_dim", config.need_uint("qk_nope_head_dim") + config.need_uint("qk_rope_head_dim"));
}

/// [inner, 1, kernel] or [inner, kernel] as llama.cpp's [1, inner, 1, kernel].
TensorExprPtr convolution(TensorExprPtr input, const ArchBuild&) {
  const Shape shape = input->shape();
  const std::uint64_t kernel = shape.rank() == 0 ? 0 : shape.cols();
  if (kernel == 0 || shape.rank() > 3) {
    throw Error(ErrorKind::input_invalid, describe(*input) + " is no convolution over single channels",
                "check that config.json belongs to these weights");
  }
  return reshaped(std::move(input), Shape{1, shape.elements() / kernel, 1, kernel});
}

TensorExprPtr decay_of_heads(TensorExprPtr input, const ArchBuild& build) {
  const std::uint64_t heads = build.config.head_count();
  const std::uint64_t count = input->shape().elements();
  if (count < heads) {
    throw Error(ErrorKind::input_invalid,
                describe(*input) + " has fewer values than the " + std::to_string(heads) + " heads",
                "check that config.json belongs to these weights");
  }
  return negative_exp(sliced(reshaped(std::move(input), Shape{count}), 0, 0, heads));
}

/// Norm and projection of a residual's score are only ever used as their product.
void fuse_scores(ArchBuild& build, const std::string& target) {
  const TensorExprPtr norm = build.find_tensor(target + ".norm");
  const TensorExprPtr projection = build.find_tensor(target + ".proj");
  if (norm == nullptr || projection == nullptr) return;
  std::erase_if(build.tensors, [&](const auto& tensor) {
    return tensor.first == target + ".norm" || tensor.first == target + ".proj";
  });
  build.tensors.emplace_back(target + ".weight", product(norm, projection));
}

void finish(ArchBuild& build) {
  const std::vector<bool> full = full_layers(build.config);
  for (std::size_t layer = 0; layer < full.size(); ++layer) {
    const std::string block = "blk." + std::to_string(layer) + ".";
    fuse_scores(build, block + "attn_res_score");
    fuse_scores(build, block + "ffn_res_score");
    // One name in the checkpoint for two things.
    if (full[layer]) continue;
    for (auto& [name, expr] : build.tensors) {
      if (name == block + "attn_gate.weight") name = block + "ssm_g.weight";
    }
  }
  fuse_scores(build, "output_res_score");
  // The tokenizer's own end is that of a document, the configuration's that of a turn.
  if (const auto end = build.config.uint("eos_token_id")) {
    build.keys.set("tokenizer.ggml.eos_token_id", static_cast<std::uint32_t>(*end));
  }
}

std::vector<TensorRule> delta_attention() {
  return needed_as(
      "mixer:kda",
      {
          {"model.layers.{L}.self_attn.k_proj.weight", "blk.{L}.attn_k.weight"},
          {"model.layers.{L}.self_attn.v_proj.weight", "blk.{L}.attn_v.weight"},
          {"model.layers.{L}.self_attn.q_conv1d.weight", "blk.{L}.ssm_conv1d_q.weight", convolution},
          {"model.layers.{L}.self_attn.k_conv1d.weight", "blk.{L}.ssm_conv1d_k.weight", convolution},
          {"model.layers.{L}.self_attn.v_conv1d.weight", "blk.{L}.ssm_conv1d_v.weight", convolution},
          {"model.layers.{L}.self_attn.f_a_proj.weight", "blk.{L}.ssm_f_a.weight"},
          {"model.layers.{L}.self_attn.f_b_proj.weight", "blk.{L}.ssm_f_b.weight"},
          {"model.layers.{L}.self_attn.b_proj.weight", "blk.{L}.ssm_beta.weight"},
          {"model.layers.{L}.self_attn.A_log", "blk.{L}.ssm_a", decay_of_heads},
          {"model.layers.{L}.self_attn.dt_bias", "blk.{L}.ssm_dt.bias"},
          {"model.layers.{L}.self_attn.o_norm.weight", "blk.{L}.ssm_norm.weight"},
      });
}

/// Latent attention as DeepSeek has it; a whole query projection is KDA's too.
std::vector<TensorRule> latent_attention() {
  std::vector<TensorRule> rules = mla_attention();
  for (TensorRule& rule : rules) {
    if (rule.needed == "query:whole" || rule.needed == "query:low_rank") continue;
    const bool everywhere =
        rule.target == "blk.{L}.attn_norm.{W}" || rule.target == "blk.{L}.attn_output.{W}";
    if (!everywhere) rule.needed = "mixer:mla";
  }
  return rules;
}

std::vector<TensorRule> latent_experts() {
  return joined<TensorRule>({
      needed_as(
          "ffn:experts",
          {
              {"model.layers.{L}.block_sparse_moe.gate.weight", "blk.{L}.ffn_gate_inp.weight"},
              {"model.layers.{L}.block_sparse_moe.gate.e_score_correction_bias", "blk.{L}.exp_probs_b.bias"},
              {"model.layers.{L}.block_sparse_moe.experts.{E}.w1.weight", "blk.{L}.ffn_gate_exps.weight"},
              {"model.layers.{L}.block_sparse_moe.experts.{E}.w2.weight", "blk.{L}.ffn_down_exps.weight"},
              {"model.layers.{L}.block_sparse_moe.experts.{E}.w3.weight", "blk.{L}.ffn_up_exps.weight"},
          }),
      needed_as("?",
                {
                    {"model.layers.{L}.block_sparse_moe.shared_experts.gate_proj.weight",
                     "blk.{L}.ffn_gate_shexp.weight"},
                    {"model.layers.{L}.block_sparse_moe.shared_experts.up_proj.weight",
                     "blk.{L}.ffn_up_shexp.weight"},
                    {"model.layers.{L}.block_sparse_moe.shared_experts.down_proj.weight",
                     "blk.{L}.ffn_down_shexp.weight"},
                    {"model.layers.{L}.block_sparse_moe.routed_expert_down_proj.weight",
                     "blk.{L}.ffn_routed_down.weight"},
                    {"model.layers.{L}.block_sparse_moe.routed_expert_up_proj.weight",
                     "blk.{L}.ffn_routed_up.weight"},
                    {"model.layers.{L}.block_sparse_moe.routed_expert_norm.weight",
                     "blk.{L}.ffn_routed_norm.weight"},
                }),
  });
}

}  // namespace

ArchSpec kimi_k3() {
  ArchSpec spec;
  spec.classes = {"KimiK3ForConditionalGeneration"};
  spec.gguf_name = "kimi-k3";
  spec.tokenizer = kimi_tokenizer();
  spec.tokenizer.tiktoken.named_eos = true;
  spec.defaults = R"({"rms_norm_eps": 1e-6})";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      {
          u32_key("vocab_size", "vocab_size"),
          optional_key(u32_key("attention.q_lora_rank", "q_lora_rank")),
          u32_key("attention.kv_lora_rank", "kv_lora_rank"),
          computed_keys(emit_keys),
          u32_key("expert_feed_forward_length", "moe_intermediate_size"),
          u32_key("expert_shared_count", "num_shared_experts"),
          u32_key("leading_dense_block_count", "first_k_dense_replace"),
          f32_key("expert_weights_scale", "routed_scaling_factor"),
          bool_key("expert_weights_norm", "moe_renormalize"),
          optional_key(u32_key("expert_latent_length", "routed_expert_hidden_size")),
          f32_key("activation.situ_beta", "activation_situ_beta"),
          f32_key("activation.situ_linear_beta", "activation_situ_linear_beta"),
          u32_key("attn_res.block_size", "attn_res_block_size"),
      },
  });
  spec.tensors = joined<TensorRule>({
      trunk(),
      latent_attention(),
      delta_attention(),
      mlp_norm(),
      {
          {"model.layers.{L}.self_attn.g_proj.weight", "blk.{L}.attn_gate.weight"},
          {"model.layers.{L}.self_attention_res_norm.weight", "blk.{L}.attn_res_score.norm"},
          {"model.layers.{L}.self_attention_res_proj.weight", "blk.{L}.attn_res_score.proj"},
          {"model.layers.{L}.mlp_res_norm.weight", "blk.{L}.ffn_res_score.norm"},
          {"model.layers.{L}.mlp_res_proj.weight", "blk.{L}.ffn_res_score.proj"},
          {"model.output_attn_res_norm.weight", "output_res_score.norm"},
          {"model.output_attn_res_proj.weight", "output_res_score.proj"},
      },
      latent_experts(),
      gated_mlp(),
  });
  spec.parts = {
      {"mixer:mla", attends_fully},
      {"mixer:kda", has_delta_attention},
      {"query:low_rank", has_low_rank_query},
      {"query:whole",
       [](const ModelConfig& config, std::uint64_t layer) { return !has_low_rank_query(config, layer); }},
      {"blk.{L}.ffn_routed_norm.weight",
       [](const ModelConfig& config, std::uint64_t layer) {
         return has_latent_experts(config, layer) && config.boolean("latent_moe_use_norm").value_or(false);
       }},
      {"blk.{L}.ffn_routed_*", has_latent_experts},
  };
  spec.prepare = prepare;
  spec.finish = finish;
  return spec;
}

}  // namespace qtz::arch
