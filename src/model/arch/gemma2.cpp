// Gemma 2: Gemma with norms after attention and MLP too, softcaps, a sliding window on every other layer.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"

namespace qtz::arch {

ArchSpec gemma2() {
  ArchSpec spec = gemma();
  spec.classes = {"Gemma2ForCausalLM"};
  spec.gguf_name = "gemma2";
  spec.tokenizer = gemma2_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-6, "max_position_embeddings": 8192, "head_dim": 256,
                      "sliding_window": 4096, "attn_logit_softcapping": 50.0,
                      "final_logit_softcapping": 30.0})";
  spec.keys.push_back(f32_key("attn_logit_softcapping", "attn_logit_softcapping"));
  spec.keys.push_back(f32_key("final_logit_softcapping", "final_logit_softcapping"));
  spec.keys.push_back(u32_key("attention.sliding_window", "sliding_window"));
  spec.tensors = joined<TensorRule>({
      trunk(),
      attention(),
      gated_mlp(),
      {
          {"model.layers.{L}.post_attention_layernorm.{W}", "blk.{L}.post_attention_norm.{W}"},
          {"model.layers.{L}.pre_feedforward_layernorm.{W}", "blk.{L}.ffn_norm.{W}"},
          {"model.layers.{L}.post_feedforward_layernorm.{W}", "blk.{L}.post_ffw_norm.{W}"},
      },
  });
  for (TensorRule& rule : spec.tensors) {
    if (rule.source.ends_with("norm.{W}")) rule.transform = plus_one;
  }
  return spec;
}

}  // namespace qtz::arch
