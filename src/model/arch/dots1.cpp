// dots.llm1: norms of q and k per head, leading dense layers, then routed and shared experts.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"

namespace qtz::arch {

ArchSpec dots1() {
  ArchSpec spec;
  spec.classes = {"Dots1ForCausalLM"};
  spec.gguf_name = "dots1";
  spec.tokenizer = bpe_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-6, "rope_theta": 10000.0, "max_position_embeddings": 2048,
                      "first_k_dense_replace": 0, "n_shared_experts": 0, "routed_scaling_factor": 1.0,
                      "norm_topk_prob": false})";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      {
          u32_key("expert_feed_forward_length", "moe_intermediate_size"),
          u32_key("leading_dense_block_count", "first_k_dense_replace"),
          u32_key("expert_shared_count", "n_shared_experts"),
          f32_key("expert_weights_scale", "routed_scaling_factor"),
          bool_key("expert_weights_norm", "norm_topk_prob"),
      },
  });
  spec.tensors = joined<TensorRule>({
      {
          {"model.embed_tokens.weight", "token_embd.weight"},
          {"model.norm.weight", "output_norm.weight"},
          {"lm_head.weight", "output.weight"},
      },
      attention(),
      query_key_norms(),
      mlp_norm(),
      {{"model.layers.{L}.mlp.gate.e_score_correction_bias", "blk.{L}.exp_probs_b.bias", nullptr, "?"}},
      experts(),
      shared_experts(),
      gated_mlp(),
  });
  spec.prepare = fill_in_kv_heads;
  return spec;
}

}  // namespace qtz::arch
