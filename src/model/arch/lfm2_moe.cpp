// LFM2 with experts: leading dense layers, then sigmoid-routed experts with a correction bias.
#include <algorithm>

#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"

namespace qtz::arch {

namespace {

std::vector<TensorRule> feed_forward() {
  return joined<TensorRule>({
      needed_as("ffn:dense",
                {
                    {"model.layers.{L}.feed_forward.w1.weight", "blk.{L}.ffn_gate.weight"},
                    {"model.layers.{L}.feed_forward.w2.weight", "blk.{L}.ffn_down.weight"},
                    {"model.layers.{L}.feed_forward.w3.weight", "blk.{L}.ffn_up.weight"},
                }),
      needed_as("ffn:experts",
                {
                    {"model.layers.{L}.feed_forward.experts.{E}.w1.weight", "blk.{L}.ffn_gate_exps.weight"},
                    {"model.layers.{L}.feed_forward.experts.{E}.w2.weight", "blk.{L}.ffn_down_exps.weight"},
                    {"model.layers.{L}.feed_forward.experts.{E}.w3.weight", "blk.{L}.ffn_up_exps.weight"},
                }),
      // As transformers 5 can save them.
      needed_as("ffn:fused",
                {
                    {"model.layers.{L}.feed_forward.experts.gate_up_proj", "blk.{L}.ffn_gate_exps.weight",
                     first_half},
                    {"model.layers.{L}.feed_forward.experts.gate_up_proj", "blk.{L}.ffn_up_exps.weight",
                     second_half},
                    {"model.layers.{L}.feed_forward.experts.down_proj", "blk.{L}.ffn_down_exps.weight"},
                }),
      needed_as("ffn:experts|ffn:fused",
                {
                    {"model.layers.{L}.feed_forward.gate.weight", "blk.{L}.ffn_gate_inp.weight"},
                    {"model.layers.{L}.feed_forward.expert_bias", "blk.{L}.exp_probs_b.bias"},
                }),
  });
}

}  // namespace

ArchSpec lfm2_moe() {
  ArchSpec spec = lfm2();
  spec.classes = {"Lfm2MoeForCausalLM"};
  spec.gguf_name = "lfm2moe";
  spec.defaults = R"({"norm_eps": 1e-5, "rope_theta": 1000000.0, "conv_L_cache": 3, "num_dense_layers": 2})";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      {
          u32_key("expert_feed_forward_length", "moe_intermediate_size"),
          u32_key("leading_dense_block_count", "num_dense_layers"),
          computed_keys([](ArchBuild& build) { build.set("expert_gating_func", std::uint32_t{2}); }),
          u32_key("vocab_size", "vocab_size"),
          u32_key("shortconv.l_cache", "conv_L_cache"),
      },
  });
  const auto is_feed_forward = [](const TensorRule& rule) {
    return rule.source.find(".feed_forward.") != std::string_view::npos;
  };
  spec.tensors.erase(std::remove_if(spec.tensors.begin(), spec.tensors.end(), is_feed_forward),
                     spec.tensors.end());
  spec.tensors = joined<TensorRule>({spec.tensors, feed_forward()});
  return spec;
}

}  // namespace qtz::arch
