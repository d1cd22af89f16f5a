// GPT-2: fused qkv, learned positions, biases everywhere; its Conv1D layers store weights transposed.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/config_parts.h"

namespace qtz::arch {

namespace {

void emit_feed_forward(ArchBuild& build) {
  const std::uint64_t size = build.config.uint("n_inner").value_or(4 * build.config.hidden_size());
  build.set("feed_forward_length", static_cast<std::uint32_t>(size));
}

}  // namespace

ArchSpec gpt2() {
  ArchSpec spec;
  spec.classes = {"GPT2LMHeadModel"};
  spec.gguf_name = "gpt2";
  spec.tokenizer = bpe_tokenizer();
  spec.optional_prefix = "transformer.";
  spec.defaults = R"({"layer_norm_epsilon": 1e-5, "n_positions": 1024})";
  spec.keys = {
      u32_key("block_count", "n_layer"),
      u32_key("context_length", "n_ctx|n_positions"),
      u32_key("embedding_length", "n_embd"),
      computed_keys(emit_feed_forward),
      u32_key("attention.head_count", "n_head"),
      f32_key("attention.layer_norm_epsilon", "layer_norm_epsilon"),
  };
  spec.tensors = {
      {"transformer.wte.weight", "token_embd.weight"},
      {"transformer.wpe.weight", "position_embd.weight"},
      {"transformer.ln_f.{W}", "output_norm.{W}"},
      {"lm_head.weight", "output.weight", nullptr, "?"},
      {"transformer.h.{L}.ln_1.{W}", "blk.{L}.attn_norm.{W}"},
      {"transformer.h.{L}.attn.c_attn.{W}", "blk.{L}.attn_qkv.{W}", transposed_weight},
      {"transformer.h.{L}.attn.c_proj.{W}", "blk.{L}.attn_output.{W}", transposed_weight},
      {"transformer.h.{L}.ln_2.{W}", "blk.{L}.ffn_norm.{W}"},
      {"transformer.h.{L}.mlp.c_fc.{W}", "blk.{L}.ffn_up.{W}", transposed_weight},
      {"transformer.h.{L}.mlp.c_proj.{W}", "blk.{L}.ffn_down.{W}", transposed_weight},
  };
  spec.skips = {
      {"*.attn.bias", "causal mask, a constant"},
      {"*.attn.masked_bias", "causal mask, a constant"},
  };
  spec.parts = {{"*.bias", always}};
  return spec;
}

}  // namespace qtz::arch
