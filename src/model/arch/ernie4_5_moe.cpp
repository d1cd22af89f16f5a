// ERNIE 4.5 with experts: leading dense layers, shared experts, a routing bias.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"

namespace qtz::arch {

namespace {

void emit_shared_size(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const auto shared = config.uint("moe_num_shared_experts");
  if (!shared) return;
  build.set("expert_shared_count", static_cast<std::uint32_t>(*shared));
  const auto size = config.uint("intermediate_size");
  if (*shared > 0 && size) {
    build.set("expert_shared_feed_forward_length",
              static_cast<std::uint32_t>(*size / config.kv_head_count()));
  }
}

}  // namespace

ArchSpec ernie4_5_moe() {
  ArchSpec spec = ernie4_5();
  spec.classes = {"Ernie4_5_MoeForCausalLM"};
  spec.gguf_name = "ernie4_5-moe";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      {
          u32_key("expert_count", "moe_num_experts"),
          u32_key("expert_used_count", "moe_k"),
          u32_key("interleave_moe_layer_step", "moe_layer_interval"),
          u32_key("leading_dense_block_count", "moe_layer_start_index"),
          optional_key(u32_key("expert_feed_forward_length", "moe_intermediate_size")),
          computed_keys(emit_shared_size),
      },
  });
  spec.tensors = joined<TensorRule>({
      spec.tensors,
      {{"model.layers.{L}.mlp.moe_statics.e_score_correction_bias", "blk.{L}.exp_probs_b.bias", nullptr,
        "?"}},
      experts(),
      shared_experts(),
  });
  spec.skips = {
      {"model.mtp_block.{N}.*", "multi-token prediction, which llama.cpp does not use here"},
      {"model.mtp_emb_norm.{N}.*", "multi-token prediction, which llama.cpp does not use here"},
      {"model.mtp_hidden_norm.{N}.*", "multi-token prediction, which llama.cpp does not use here"},
      {"model.mtp_linear_proj.{N}.*", "multi-token prediction, which llama.cpp does not use here"},
  };
  return spec;
}

}  // namespace qtz::arch
