// LFM2: layers of short convolutions between layers of attention; the embedding is the output.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/config_parts.h"

namespace qtz::arch {

namespace {

/// Convolution layers have no key and value heads.
void prepare(ModelConfig& config) {
  const std::uint64_t heads = config.kv_head_count();
  const std::vector<bool> convolution = layers_of_type(config, "conv");
  if (convolution.empty()) config.refuse("layer_types", "is missing");
  JsonArray per_layer;
  for (const bool without : convolution) per_layer.emplace_back(without ? std::uint64_t{0} : heads);
  config.set("num_key_value_heads", per_layer);
}

void emit_feed_forward(ArchBuild& build) {
  const ModelConfig& config = build.config;
  std::uint64_t size = config.need_uint("block_ff_dim|intermediate_size");
  if (config.boolean("block_auto_adjust_ff_dim").value_or(false)) {
    size = 2 * size / 3;
    const double multiplier = config.number("block_ffn_dim_multiplier").value_or(1.0);
    size = static_cast<std::uint64_t>(multiplier * static_cast<double>(size));
    const std::uint64_t multiple = config.need_uint("block_multiple_of");
    if (multiple == 0) config.refuse("block_multiple_of", "is 0");
    size = multiple * ((size + multiple - 1) / multiple);
  }
  build.set("feed_forward_length", static_cast<std::uint32_t>(size));
}

bool is_convolution(const ModelConfig& config, std::uint64_t layer) {
  return layer_type(config, layer) == "conv";
}

bool has_convolution_bias(const ModelConfig& config, std::uint64_t) {
  return config.boolean("conv_bias").value_or(false);
}

}  // namespace

ArchSpec lfm2() {
  ArchSpec spec;
  spec.classes = {"Lfm2ForCausalLM", "LFM2ForCausalLM"};
  spec.gguf_name = "lfm2";
  spec.tokenizer = bpe_tokenizer();
  spec.defaults = R"({"norm_eps": 1e-5, "rope_theta": 1000000.0, "conv_L_cache": 3,
                      "block_auto_adjust_ff_dim": true, "block_multiple_of": 256})";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      {
          u32_key("vocab_size", "vocab_size"),
          u32_key("shortconv.l_cache", "conv_L_cache"),
          computed_keys(emit_feed_forward),
      },
  });
  spec.tensors = joined<TensorRule>({
      {
          {"model.embed_tokens.weight", "token_embd.weight"},
          {"model.embedding_norm.weight", "token_embd_norm.weight"},
          {"lm_head.weight", "output.weight", nullptr, "?"},
          {"model.layers.{L}.operator_norm.weight", "blk.{L}.attn_norm.weight"},
          {"model.layers.{L}.ffn_norm.weight", "blk.{L}.ffn_norm.weight"},
          {"model.layers.{L}.feed_forward.w1.weight", "blk.{L}.ffn_gate.weight"},
          {"model.layers.{L}.feed_forward.w2.weight", "blk.{L}.ffn_down.weight"},
          {"model.layers.{L}.feed_forward.w3.weight", "blk.{L}.ffn_up.weight"},
      },
      needed_as("mixer:convolution",
                {
                    {"model.layers.{L}.conv.in_proj.{W}", "blk.{L}.shortconv.in_proj.{W}"},
                    {"model.layers.{L}.conv.conv.{W}", "blk.{L}.shortconv.conv.{W}", squeezed},
                    {"model.layers.{L}.conv.out_proj.{W}", "blk.{L}.shortconv.out_proj.{W}"},
                }),
      needed_as("mixer:attention",
                {
                    {"model.layers.{L}.self_attn.q_proj.{W}", "blk.{L}.attn_q.{W}"},
                    {"model.layers.{L}.self_attn.k_proj.{W}", "blk.{L}.attn_k.{W}"},
                    {"model.layers.{L}.self_attn.v_proj.{W}", "blk.{L}.attn_v.{W}"},
                    {"model.layers.{L}.self_attn.out_proj.{W}", "blk.{L}.attn_output.{W}"},
                    {"model.layers.{L}.self_attn.q_layernorm.weight", "blk.{L}.attn_q_norm.weight"},
                    {"model.layers.{L}.self_attn.k_layernorm.weight", "blk.{L}.attn_k_norm.weight"},
                }),
  });
  spec.prepare = prepare;
  spec.parts = {
      {"mixer:convolution", is_convolution},
      {"blk.{L}.shortconv.in_proj.bias", has_convolution_bias},
      {"blk.{L}.shortconv.conv.bias", has_convolution_bias},
      {"blk.{L}.shortconv.out_proj.bias", has_convolution_bias},
  };
  return spec;
}

}  // namespace qtz::arch
