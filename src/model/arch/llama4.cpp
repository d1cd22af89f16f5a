// Llama 4, text part: fused experts stored transposed, a shared expert, interleaved dense layers; rows stay
// as they are.
#include <algorithm>

#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/llama_family.h"
#include "model/tensor_ops.h"

namespace qtz::arch {

namespace {

TensorExprPtr gate_half(TensorExprPtr input, const ArchBuild& build) {
  return first_half(transposed(std::move(input)), build);
}
TensorExprPtr up_half(TensorExprPtr input, const ArchBuild& build) {
  return second_half(transposed(std::move(input)), build);
}

/// "intermediate_size" is the experts' here, "intermediate_size_mlp" the dense layers'.
void prepare(ModelConfig& config) {
  fill_in_heads(config);
  config.set("intermediate_size_moe", config.need_uint("intermediate_size"));
  config.set("intermediate_size", config.need_uint("intermediate_size_mlp"));
}

void emit_attention(ArchBuild& build) {
  const std::vector<bool> full = layers_of_type(build.config, "full_attention");
  if (!full.empty() && std::find(full.begin(), full.end(), false) == full.end()) {
    build.set("attention.sliding_window", std::uint32_t{0});
  }
}

}  // namespace

ArchSpec llama4() {
  ArchSpec spec;
  spec.classes = {"Llama4ForCausalLM", "Llama4ForConditionalGeneration"};
  spec.gguf_name = "llama4";
  spec.tokenizer = bpe_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-5, "rope_theta": 500000.0, "head_dim": 128,
                      "intermediate_size_mlp": 16384, "interleave_moe_layer_step": 1,
                      "num_experts_per_tok": 1, "num_local_experts": 16})";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      vocabulary_and_rope_size(),
      {
          u32_key("interleave_moe_layer_step", "interleave_moe_layer_step"),
          u32_key("expert_feed_forward_length", "intermediate_size_moe"),
          computed_keys(emit_attention),
      },
  });
  spec.tensors = joined<TensorRule>({
      trunk(),
      attention(),
      mlp_norm(),
      needed_as("ffn:dense",
                {
                    {"model.layers.{L}.feed_forward.gate_proj.weight", "blk.{L}.ffn_gate.weight"},
                    {"model.layers.{L}.feed_forward.up_proj.weight", "blk.{L}.ffn_up.weight"},
                    {"model.layers.{L}.feed_forward.down_proj.weight", "blk.{L}.ffn_down.weight"},
                }),
      needed_as(
          "ffn:experts",
          {
              {"model.layers.{L}.feed_forward.router.weight", "blk.{L}.ffn_gate_inp.weight"},
              {"model.layers.{L}.feed_forward.experts.gate_up_proj", "blk.{L}.ffn_gate_exps.weight",
               gate_half},
              {"model.layers.{L}.feed_forward.experts.gate_up_proj", "blk.{L}.ffn_up_exps.weight", up_half},
              {"model.layers.{L}.feed_forward.experts.down_proj", "blk.{L}.ffn_down_exps.weight",
               transposed_weight},
              {"model.layers.{L}.feed_forward.shared_expert.gate_proj.weight",
               "blk.{L}.ffn_gate_shexp.weight"},
              {"model.layers.{L}.feed_forward.shared_expert.up_proj.weight", "blk.{L}.ffn_up_shexp.weight"},
              {"model.layers.{L}.feed_forward.shared_expert.down_proj.weight",
               "blk.{L}.ffn_down_shexp.weight"},
          }),
  });
  spec.prepare = prepare;
  spec.finish = add_llama3_rope_factors;
  return spec;
}

}  // namespace qtz::arch
