// GPT-NeoX and Pythia: rotary on a part of each head, q, k and v fused head by head, untied output.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/config_parts.h"

namespace qtz::arch {

namespace {

void emit_rope_size(ArchBuild& build) {
  const ModelConfig& config = build.config;
  auto part = config.number("rotary_pct");
  if (!part) part = config.rope_number(config.main_rope(), "partial_rotary_factor");
  const std::uint64_t per_head = config.hidden_size() / config.head_count();
  build.set("rope.dimension_count",
            static_cast<std::uint32_t>(part.value_or(0.25) * static_cast<double>(per_head)));
}

bool has_attention_bias(const ModelConfig& config, std::uint64_t) {
  return config.boolean("attention_bias").value_or(true);
}

}  // namespace

ArchSpec gpt_neox() {
  ArchSpec spec;
  spec.classes = {"GPTNeoXForCausalLM"};
  spec.gguf_name = "gptneox";
  spec.tokenizer = bpe_tokenizer();
  spec.optional_prefix = "gpt_neox.";
  spec.defaults = R"({"layer_norm_eps": 1e-5, "use_parallel_residual": true})";
  spec.keys = {
      u32_key("context_length", "max_position_embeddings"),
      u32_key("embedding_length", "hidden_size"),
      u32_key("block_count", "num_hidden_layers"),
      u32_key("feed_forward_length", "intermediate_size"),
      computed_keys(emit_rope_size),
      u32_key("attention.head_count", "num_attention_heads"),
      bool_key("use_parallel_residual", "use_parallel_residual"),
      f32_key("attention.layer_norm_epsilon", "layer_norm_eps"),
  };
  spec.tensors = {
      {"gpt_neox.embed_in.weight", "token_embd.weight"},
      {"gpt_neox.final_layer_norm.{W}", "output_norm.{W}"},
      {"embed_out.weight", "output.weight", nullptr, "?"},
      {"gpt_neox.layers.{L}.input_layernorm.{W}", "blk.{L}.attn_norm.{W}"},
      {"gpt_neox.layers.{L}.attention.query_key_value.{W}", "blk.{L}.attn_qkv.{W}", fused_qkv_rows},
      {"gpt_neox.layers.{L}.attention.dense.{W}", "blk.{L}.attn_output.{W}"},
      {"gpt_neox.layers.{L}.post_attention_layernorm.{W}", "blk.{L}.ffn_norm.{W}"},
      {"gpt_neox.layers.{L}.mlp.dense_h_to_4h.{W}", "blk.{L}.ffn_up.{W}"},
      {"gpt_neox.layers.{L}.mlp.dense_4h_to_h.{W}", "blk.{L}.ffn_down.{W}"},
  };
  spec.parts = {{"blk.{L}.attn_qkv.bias", has_attention_bias},
                {"blk.{L}.attn_output.bias", has_attention_bias},
                {"output.bias", never},
                {"*.bias", always}};
  return spec;
}

}  // namespace qtz::arch
