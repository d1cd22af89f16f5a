// MiniCPM 3: multi-head latent attention with kv_b whole.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"

namespace qtz::arch {

ArchSpec minicpm3() {
  ArchSpec spec;
  spec.classes = {"MiniCPM3ForCausalLM"};
  spec.gguf_name = "minicpm3";
  spec.tokenizer = sentencepiece_tokenizer();
  spec.keys = {
      u32_key("context_length", "max_position_embeddings"),
      u32_key("embedding_length", "hidden_size"),
      u32_key("block_count", "num_hidden_layers"),
      u32_key("feed_forward_length", "intermediate_size"),
      u32_key("attention.head_count", "num_attention_heads"),
      u32_key("attention.head_count_kv", "num_key_value_heads"),
      f32_key("attention.layer_norm_rms_epsilon", "rms_norm_eps"),
      u32_key("vocab_size", "vocab_size"),
      optional_key(u32_key("attention.q_lora_rank", "q_lora_rank")),
      u32_key("attention.kv_lora_rank", "kv_lora_rank"),
      computed_keys([](ArchBuild& build) {
        const std::uint64_t sizes =
            build.config.need_uint("qk_nope_head_dim") + build.config.need_uint("qk_rope_head_dim");
        build.set("attention.key_length", static_cast<std::uint32_t>(sizes));
      }),
      u32_key("rope.dimension_count", "qk_rope_head_dim"),
  };
  spec.tensors = joined<TensorRule>({
      trunk(),
      {
          {"model.layers.{L}.input_layernorm.{W}", "blk.{L}.attn_norm.{W}"},
          {"model.layers.{L}.self_attn.q_a_proj.{W}", "blk.{L}.attn_q_a.{W}"},
          {"model.layers.{L}.self_attn.q_a_layernorm.{W}", "blk.{L}.attn_q_a_norm.{W}"},
          {"model.layers.{L}.self_attn.q_b_proj.{W}", "blk.{L}.attn_q_b.{W}"},
          {"model.layers.{L}.self_attn.kv_a_proj_with_mqa.{W}", "blk.{L}.attn_kv_a_mqa.{W}"},
          {"model.layers.{L}.self_attn.kv_a_layernorm.{W}", "blk.{L}.attn_kv_a_norm.{W}"},
          {"model.layers.{L}.self_attn.kv_b_proj.{W}", "blk.{L}.attn_kv_b.{W}"},
          {"model.layers.{L}.self_attn.o_proj.{W}", "blk.{L}.attn_output.{W}"},
      },
      mlp_norm(),
      gated_mlp(),
  });
  spec.finish = [](ArchBuild& build) {
    add_long_rope_factors(build, build.config.need_uint("qk_rope_head_dim"));
  };
  return spec;
}

}  // namespace qtz::arch
