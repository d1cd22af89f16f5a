// Falcon 7B, 40B, 180B and 11B: attention and MLP side by side, q, k and v fused group by group: the queries
// that share a key, then the key, then the value.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/config_parts.h"
#include "model/tensor_ops.h"

namespace qtz::arch {

namespace {

/// Heads of keys and values as the model's code decides it: num_kv_heads means something in the newer layout
/// alone.
void prepare(ModelConfig& config) {
  const std::uint64_t heads = config.need_uint("num_attention_heads|n_head");
  std::uint64_t kv = heads;
  if (config.boolean("new_decoder_architecture").value_or(false) || config.has("n_head_kv")) {
    kv = config.uint("num_kv_heads|n_head_kv").value_or(heads);
  } else if (config.boolean("multi_query").value_or(true)) {
    kv = 1;
  }
  if (kv == 0 || heads % kv != 0) config.refuse("num_kv_heads", "does not divide the attention heads");
  config.set("num_attention_heads", heads);
  config.set("num_key_value_heads", kv);
  if (config.boolean("alibi").value_or(false)) {
    config.refuse("alibi", "is true, but llama.cpp gives this architecture rotary positions");
  }
}

void emit_keys(ArchBuild& build) {
  const auto size = static_cast<std::uint32_t>(build.config.hidden_size());
  build.set("context_length", std::uint32_t{2048});  // in no configuration
  build.set("tensor_data_layout", "jploski");        // the order of grouped_qkv_rows
  build.set("embedding_length", size);
  build.set("feed_forward_length", 4 * size);
}

bool has_two_norms(const ModelConfig& config, std::uint64_t) {
  const bool is_new = config.boolean("new_decoder_architecture").value_or(false);
  return is_new && config.uint("num_ln_in_parallel_attn").value_or(2) == 2;
}

bool has_one_norm(const ModelConfig& config, std::uint64_t layer) {
  return !has_two_norms(config, layer);
}

}  // namespace

ArchSpec falcon() {
  ArchSpec spec;
  spec.classes = {"FalconForCausalLM", "RWForCausalLM"};
  spec.gguf_name = "falcon";
  spec.tokenizer = bpe_tokenizer();
  spec.optional_prefix = "transformer.";
  spec.defaults = R"({"layer_norm_epsilon": 1e-5})";
  spec.keys = {
      computed_keys(emit_keys),
      u32_key("block_count", "num_hidden_layers|n_layer"),
      u32_key("attention.head_count", "num_attention_heads"),
      u32_key("attention.head_count_kv", "num_key_value_heads"),
      f32_key("attention.layer_norm_epsilon", "layer_norm_epsilon"),
  };
  spec.tensors = {
      {"transformer.word_embeddings.weight", "token_embd.weight"},
      {"transformer.ln_f.{W}", "output_norm.{W}"},
      {"lm_head.weight", "output.weight", nullptr, "?"},
      // One norm for both branches, or one for each.
      {"transformer.h.{L}.input_layernorm.{W}", "blk.{L}.attn_norm.{W}", nullptr, "norm:one"},
      {"transformer.h.{L}.ln_mlp.{W}", "blk.{L}.attn_norm.{W}", nullptr, "norm:two"},
      {"transformer.h.{L}.ln_attn.{W}", "blk.{L}.attn_norm_2.{W}", nullptr, "norm:two"},
      {"transformer.h.{L}.self_attention.query_key_value.weight", "blk.{L}.attn_qkv.weight",
       grouped_qkv_rows},
      {"transformer.h.{L}.self_attention.dense.weight", "blk.{L}.attn_output.weight"},
      {"transformer.h.{L}.mlp.dense_h_to_4h.weight", "blk.{L}.ffn_up.weight"},
      {"transformer.h.{L}.mlp.dense_4h_to_h.weight", "blk.{L}.ffn_down.weight"},
  };
  spec.prepare = prepare;
  spec.parts = {
      {"*norm.bias", always},
      {"*norm_2.bias", always},
      {"norm:two", has_two_norms},
      {"norm:one", has_one_norm},
  };
  return spec;
}

}  // namespace qtz::arch
