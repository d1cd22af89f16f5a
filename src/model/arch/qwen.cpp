// The first Qwen: q, k and v in one matrix with a bias, and a gated MLP whose two halves are half as wide as
// the configuration says.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/config_parts.h"

namespace qtz::arch {

ArchSpec qwen() {
  ArchSpec spec;
  spec.classes = {"QWenLMHeadModel"};
  spec.gguf_name = "qwen";
  spec.tokenizer = qwen_tokenizer();
  spec.defaults = R"({"layer_norm_epsilon": 1e-6, "max_position_embeddings": 8192, "rotary_emb_base": 10000,
                      "tie_word_embeddings": false})";
  spec.optional_prefix = "";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      // The norms are RMS norms, and llama.cpp asks for their epsilon under that name.
      {f32_key("attention.layer_norm_rms_epsilon", "layer_norm_epsilon")},
  });
  spec.tensors = {
      {"transformer.wte.weight", "token_embd.weight"},
      {"transformer.ln_f.weight", "output_norm.weight"},
      {"lm_head.weight", "output.weight"},
      {"transformer.h.{L}.ln_1.weight", "blk.{L}.attn_norm.weight"},
      {"transformer.h.{L}.attn.c_attn.{W}", "blk.{L}.attn_qkv.{W}"},
      {"transformer.h.{L}.attn.c_proj.{W}", "blk.{L}.attn_output.{W}"},
      {"transformer.h.{L}.ln_2.weight", "blk.{L}.ffn_norm.weight"},
      {"transformer.h.{L}.mlp.w1.{W}", "blk.{L}.ffn_up.{W}"},
      {"transformer.h.{L}.mlp.w2.{W}", "blk.{L}.ffn_gate.{W}"},
      {"transformer.h.{L}.mlp.c_proj.{W}", "blk.{L}.ffn_down.{W}"},
  };
  spec.parts = {{"blk.{L}.attn_qkv.bias", always}};
  return spec;
}

}  // namespace qtz::arch
