// Gemma 1: norms are stored as their difference from one; the output is the embedding.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"

namespace qtz::arch {

ArchSpec gemma() {
  ArchSpec spec;
  spec.classes = {"GemmaForCausalLM"};
  spec.gguf_name = "gemma";
  spec.tokenizer = gemma_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-6, "max_position_embeddings": 8192, "head_dim": 256})";
  spec.keys = {
      u32_key("context_length", "max_position_embeddings"),
      u32_key("embedding_length", "hidden_size"),
      u32_key("block_count", "num_hidden_layers"),
      u32_key("feed_forward_length", "intermediate_size"),
      u32_key("attention.head_count", "num_attention_heads"),
      u32_key("attention.head_count_kv", "num_key_value_heads|num_attention_heads"),
      f32_key("attention.layer_norm_rms_epsilon", "rms_norm_eps"),
      u32_key("attention.key_length", "head_dim"),
      u32_key("attention.value_length", "head_dim"),
  };
  spec.tensors = joined<TensorRule>({trunk(), attention(), mlp_norm(), gated_mlp()});
  for (TensorRule& rule : spec.tensors) {
    if (rule.source.ends_with("norm.{W}")) rule.transform = plus_one;
  }
  spec.skips = {{"lm_head.weight", "the output is the embedding (tied)"}};
  return spec;
}

}  // namespace qtz::arch
