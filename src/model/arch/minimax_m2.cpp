// MiniMax M2: experts w1, w2, w3 with a routing bias, norms over all of q and k, partial rotary.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"

namespace qtz::arch {

ArchSpec minimax_m2() {
  ArchSpec spec;
  spec.classes = {"MiniMaxM2ForCausalLM"};
  spec.gguf_name = "minimax-m2";
  spec.tokenizer = bpe_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-6, "rope_theta": 5000000.0, "head_dim": 128})";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      {
          u32_key("expert_feed_forward_length", "intermediate_size"),
          u32_key("rope.dimension_count", "rotary_dim"),
      },
  });
  spec.tensors = joined<TensorRule>({
      trunk(),
      attention(),
      query_key_norms(),
      mlp_norm(),
      {
          {"model.layers.{L}.block_sparse_moe.gate.weight", "blk.{L}.ffn_gate_inp.weight"},
          {"model.layers.{L}.block_sparse_moe.e_score_correction_bias", "blk.{L}.exp_probs_b.bias"},
          {"model.layers.{L}.block_sparse_moe.experts.{E}.w1.weight", "blk.{L}.ffn_gate_exps.weight"},
          {"model.layers.{L}.block_sparse_moe.experts.{E}.w2.weight", "blk.{L}.ffn_down_exps.weight"},
          {"model.layers.{L}.block_sparse_moe.experts.{E}.w3.weight", "blk.{L}.ffn_up_exps.weight"},
      },
  });
  return spec;
}

}  // namespace qtz::arch
