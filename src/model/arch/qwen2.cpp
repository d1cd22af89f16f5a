// Qwen 2 and 2.5: rows stay as they are (llama.cpp ropes them in halves), q, k and v have biases.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/config_parts.h"

namespace qtz::arch {

ArchSpec qwen2() {
  ArchSpec spec;
  spec.classes = {"Qwen2ForCausalLM", "Qwen2Model", "KORMoForCausalLM"};
  spec.gguf_name = "qwen2";
  spec.tokenizer = sentencepiece_or_bpe_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-6, "rope_theta": 10000.0, "max_position_embeddings": 32768,
                      "num_key_value_heads": 32})";
  spec.keys = joined<KeyRule>({standard_keys(), {pooling_key()}});
  spec.tensors = joined<TensorRule>({trunk(), attention(), mlp_norm(), gated_mlp()});
  spec.parts = {
      {"blk.{L}.attn_q.bias", always}, {"blk.{L}.attn_k.bias", always}, {"blk.{L}.attn_v.bias", always}};
  return spec;
}

}  // namespace qtz::arch
