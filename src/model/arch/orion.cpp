// Orion: Llama with layer norms, rows as they are.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/config_parts.h"

namespace qtz::arch {

ArchSpec orion() {
  ArchSpec spec;
  spec.classes = {"OrionForCausalLM"};
  spec.gguf_name = "orion";
  spec.tokenizer = sentencepiece_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-5})";
  spec.keys = {
      computed_keys([](ArchBuild& build) { build.set("tensor_data_layout", "Meta AI original pth"); }),
      u32_key("context_length", "max_sequence_length|max_position_embeddings|model_max_length"),
      u32_key("embedding_length", "hidden_size"),
      u32_key("block_count", "num_hidden_layers"),
      u32_key("feed_forward_length", "intermediate_size"),
      u32_key("attention.head_count", "num_attention_heads"),
      u32_key("attention.head_count_kv", "num_key_value_heads"),
      // The configuration speaks of RMS norms; the model's code has layer norms.
      f32_key("attention.layer_norm_epsilon", "rms_norm_eps"),
  };
  spec.tensors = joined<TensorRule>({
      {
          {"model.embed_tokens.weight", "token_embd.weight"},
          {"model.norm.{W}", "output_norm.{W}"},
          {"lm_head.weight", "output.weight"},
      },
      attention(),
      mlp_norm(),
      gated_mlp(),
  });
  spec.prepare = fill_in_kv_heads;
  spec.parts = {{"*norm.bias", always}};
  return spec;
}

}  // namespace qtz::arch
