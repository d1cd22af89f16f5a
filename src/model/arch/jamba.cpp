// Jamba: Mamba layers with attention every few layers, experts every second layer, no rotary positions.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/mamba_family.h"
#include "model/config_parts.h"

namespace qtz::arch {

namespace {

void emit_keys(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const std::uint64_t period = config.need_uint("attn_layer_period");
  const std::uint64_t offset = config.need_uint("attn_layer_offset");
  if (period == 0) config.refuse("attn_layer_period", "is 0");
  const auto heads = static_cast<std::int32_t>(config.kv_head_count());
  std::vector<std::int32_t> per_layer;
  for (std::uint64_t layer = 0; layer < config.block_count(); ++layer) {
    per_layer.push_back(layer >= offset && (layer - offset) % period == 0 ? heads : 0);
  }
  build.set("attention.head_count_kv", per_layer);
  const std::uint64_t size = config.hidden_size();
  const auto set = [&](std::string_view key, std::uint64_t value) {
    build.set(key, static_cast<std::uint32_t>(value));
  };
  set("ssm.conv_kernel", config.uint("mamba_d_conv").value_or(4));
  set("ssm.inner_size", config.need_uint("mamba_expand") * size);
  set("ssm.state_size", config.uint("mamba_d_state").value_or(16));
  set("ssm.time_step_rank", config.uint("mamba_dt_rank").value_or((size + 15) / 16));
}

bool attends(const ModelConfig& config, std::uint64_t layer) {
  const std::uint64_t period = config.need_uint("attn_layer_period");
  return period > 0 && layer % period == config.need_uint("attn_layer_offset");
}

bool is_mamba(const ModelConfig& config, std::uint64_t layer) {
  return !attends(config, layer);
}

bool has_experts(const ModelConfig& config, std::uint64_t layer) {
  const std::uint64_t period = config.uint("expert_layer_period").value_or(2);
  return config.expert_count() > 1 && period > 0 &&
         layer % period == config.uint("expert_layer_offset").value_or(1);
}

bool is_dense(const ModelConfig& config, std::uint64_t layer) {
  return !has_experts(config, layer);
}

}  // namespace

ArchSpec jamba() {
  ArchSpec spec;
  spec.classes = {"JambaForCausalLM"};
  spec.gguf_name = "jamba";
  spec.tokenizer = jamba_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-6, "mamba_expand": 2, "attn_layer_period": 8, "attn_layer_offset": 4,
                      "num_experts": 16, "num_experts_per_tok": 2, "num_key_value_heads": 8})";
  spec.keys = {
      u32_key("block_count", "num_hidden_layers"),
      u32_key("context_length", "max_position_embeddings|n_ctx"),
      u32_key("embedding_length", "hidden_size"),
      u32_key("feed_forward_length", "intermediate_size"),
      u32_key("attention.head_count", "num_attention_heads"),
      computed_keys(emit_keys),
      f32_key("attention.layer_norm_rms_epsilon", "layer_norm_epsilon|rms_norm_eps"),
      u32_key("expert_count", "num_local_experts|num_experts"),
      u32_key("expert_used_count", "num_experts_per_tok"),
  };
  spec.tensors = joined<TensorRule>({
      {
          {"model.embed_tokens.weight", "token_embd.weight"},
          {"model.final_layernorm.weight", "output_norm.weight"},
          {"lm_head.weight", "output.weight", nullptr, "?"},
          {"model.layers.{L}.input_layernorm.weight", "blk.{L}.attn_norm.weight"},
          {"model.layers.{L}.pre_ff_layernorm.weight", "blk.{L}.ffn_norm.weight"},
      },
      needed_as("mixer:attention", projections()),
      needed_as("mixer:mamba", mamba_mixer(MixerNames::layer)),
      needed_as("mixer:mamba",
                {
                    {"model.layers.{L}.mamba.dt_layernorm.weight", "blk.{L}.ssm_dt_norm.weight"},
                    {"model.layers.{L}.mamba.b_layernorm.weight", "blk.{L}.ssm_b_norm.weight"},
                    {"model.layers.{L}.mamba.c_layernorm.weight", "blk.{L}.ssm_c_norm.weight"},
                }),
      needed_as("ffn:dense",
                {
                    {"model.layers.{L}.feed_forward.gate_proj.weight", "blk.{L}.ffn_gate.weight"},
                    {"model.layers.{L}.feed_forward.up_proj.weight", "blk.{L}.ffn_up.weight"},
                    {"model.layers.{L}.feed_forward.down_proj.weight", "blk.{L}.ffn_down.weight"},
                }),
      needed_as(
          "ffn:experts",
          {
              {"model.layers.{L}.feed_forward.router.weight", "blk.{L}.ffn_gate_inp.weight"},
              {"model.layers.{L}.feed_forward.experts.{E}.gate_proj.weight", "blk.{L}.ffn_gate_exps.weight"},
              {"model.layers.{L}.feed_forward.experts.{E}.up_proj.weight", "blk.{L}.ffn_up_exps.weight"},
              {"model.layers.{L}.feed_forward.experts.{E}.down_proj.weight", "blk.{L}.ffn_down_exps.weight"},
          }),
  });
  spec.parts = {
      {"mixer:attention", attends},
      {"mixer:mamba", is_mamba},
      {"ffn:experts", has_experts},
      {"ffn:dense", is_dense},
  };
  return spec;
}

}  // namespace qtz::arch
