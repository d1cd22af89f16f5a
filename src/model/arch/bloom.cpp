// BLOOM: ALiBi, a norm on the embedding, q, k and v fused head by head.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/config_parts.h"

namespace qtz::arch {

namespace {

void emit_sizes(ArchBuild& build) {
  const auto size = static_cast<std::uint32_t>(build.config.need_uint("hidden_size|n_embed"));
  const auto heads = static_cast<std::uint32_t>(build.config.head_count());
  // BLOOM has no length of its own; the converter writes the hidden size where none is given.
  build.set("context_length", static_cast<std::uint32_t>(build.config.uint("seq_length").value_or(size)));
  build.set("embedding_length", size);
  build.set("feed_forward_length", 4 * size);
  build.set("attention.head_count", heads);
  build.set("attention.head_count_kv", heads);
}

}  // namespace

ArchSpec bloom() {
  ArchSpec spec;
  spec.classes = {"BloomForCausalLM", "BloomModel"};
  spec.gguf_name = "bloom";
  spec.tokenizer = bpe_tokenizer();
  spec.optional_prefix = "transformer.";
  spec.defaults = R"({"layer_norm_epsilon": 1e-5})";
  spec.keys = {
      computed_keys(emit_sizes),
      u32_key("block_count", "n_layer|num_hidden_layers"),
      f32_key("attention.layer_norm_epsilon", "layer_norm_epsilon"),
  };
  spec.tensors = {
      {"transformer.word_embeddings.weight", "token_embd.weight"},
      {"transformer.word_embeddings_layernorm.{W}", "token_embd_norm.{W}"},
      {"transformer.ln_f.{W}", "output_norm.{W}"},
      {"lm_head.weight", "output.weight", nullptr, "?"},
      {"transformer.h.{L}.input_layernorm.{W}", "blk.{L}.attn_norm.{W}"},
      {"transformer.h.{L}.self_attention.query_key_value.{W}", "blk.{L}.attn_qkv.{W}", fused_qkv_rows},
      {"transformer.h.{L}.self_attention.dense.{W}", "blk.{L}.attn_output.{W}"},
      {"transformer.h.{L}.post_attention_layernorm.{W}", "blk.{L}.ffn_norm.{W}"},
      {"transformer.h.{L}.mlp.dense_h_to_4h.{W}", "blk.{L}.ffn_up.{W}"},
      {"transformer.h.{L}.mlp.dense_4h_to_h.{W}", "blk.{L}.ffn_down.{W}"},
  };
  spec.parts = {{"*.bias", always}};
  return spec;
}

}  // namespace qtz::arch
