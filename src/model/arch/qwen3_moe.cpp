// Qwen 3 with experts; layers of mlp_only_layers are dense.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"

namespace qtz::arch {

ArchSpec qwen3_moe() {
  ArchSpec spec;
  spec.classes = {"Qwen3MoeForCausalLM"};
  spec.gguf_name = "qwen3moe";
  spec.tokenizer = bpe_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-6, "rope_theta": 10000.0, "max_position_embeddings": 32768,
                      "num_key_value_heads": 4, "num_experts_per_tok": 8, "moe_intermediate_size": 768})";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      {u32_key("expert_feed_forward_length", "moe_intermediate_size"),
       optional_key(u32_key("expert_shared_feed_forward_length", "shared_expert_intermediate_size"))},
  });
  spec.tensors =
      joined<TensorRule>({trunk(), attention(), query_key_norms(), mlp_norm(), experts(), gated_mlp()});
  return spec;
}

}  // namespace qtz::arch
