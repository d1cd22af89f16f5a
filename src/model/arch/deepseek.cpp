// DeepSeek MoE, the first of the family: Llama's attention, leading dense layers, then routed and shared
// experts.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"

namespace qtz::arch {

namespace {

void emit_rope_and_scale(ArchBuild& build) {
  build.set("rope.dimension_count", static_cast<std::uint32_t>(build.config.head_dim()));
  build.set("rope.scaling.type", "none");
  build.set("expert_weights_scale", 1.0F);
}

}  // namespace

ArchSpec deepseek() {
  ArchSpec spec;
  spec.classes = {"DeepseekForCausalLM"};
  spec.gguf_name = "deepseek";
  spec.tokenizer = sentencepiece_or_bpe_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-6, "rope_theta": 10000.0, "max_position_embeddings": 2048,
                      "first_k_dense_replace": 0})";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      {
          computed_keys(emit_rope_and_scale),
          u32_key("leading_dense_block_count", "first_k_dense_replace"),
          u32_key("vocab_size", "vocab_size"),
          u32_key("expert_feed_forward_length", "moe_intermediate_size"),
          u32_key("expert_count", "n_routed_experts"),
          u32_key("expert_shared_count", "n_shared_experts"),
      },
  });
  spec.tensors = joined<TensorRule>(
      {trunk(), attention_permuted(), mlp_norm(), experts(), shared_experts(), gated_mlp()});
  spec.prepare = fill_in_kv_heads;
  return spec;
}

}  // namespace qtz::arch
