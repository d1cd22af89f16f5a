// SmallThinker: experts of ReLU in every layer, chosen by a router before attention; windows in three of four
// layers.
#include <algorithm>

#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"

namespace qtz::arch {

namespace {

void emit_experts_and_window(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const auto size = static_cast<std::uint32_t>(config.need_uint("moe_ffn_hidden_size"));
  build.set("expert_feed_forward_length", size);
  build.set("feed_forward_length", size);
  const bool softmax = config.boolean("moe_primary_router_apply_softmax").value_or(false);
  build.set("expert_gating_func", softmax ? std::uint32_t{1} : std::uint32_t{2});
  const std::vector<std::uint64_t> layout = config.uints("sliding_window_layout");
  const bool slides = std::any_of(layout.begin(), layout.end(), [](std::uint64_t flag) { return flag != 0; });
  const auto window = config.uint("sliding_window_size").value_or(0);
  if (slides && window > 0) build.set("attention.sliding_window", static_cast<std::uint32_t>(window));
}

/// Experts under the names that the common keys know.
void prepare(ModelConfig& config) {
  if (const auto count = config.uint("moe_num_primary_experts")) config.set("num_experts", *count);
  if (const auto used = config.uint("moe_num_active_primary_experts")) {
    config.set("num_experts_per_tok", *used);
  }
  fill_in_kv_heads(config);
}

}  // namespace

ArchSpec small_thinker() {
  ArchSpec spec;
  spec.classes = {"SmallThinkerForCausalLM"};
  spec.gguf_name = "smallthinker";
  spec.tokenizer = bpe_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-6, "rope_theta": 10000.0})";
  spec.keys = joined<KeyRule>({standard_keys(), {computed_keys(emit_experts_and_window)}});
  spec.tensors = joined<TensorRule>({
      trunk(),
      attention(),
      mlp_norm(),
      {
          {"model.layers.{L}.block_sparse_moe.primary_router.weight", "blk.{L}.ffn_gate_inp.weight"},
          {"model.layers.{L}.block_sparse_moe.experts.{E}.gate.weight", "blk.{L}.ffn_gate_exps.weight"},
          {"model.layers.{L}.block_sparse_moe.experts.{E}.up.weight", "blk.{L}.ffn_up_exps.weight"},
          {"model.layers.{L}.block_sparse_moe.experts.{E}.down.weight", "blk.{L}.ffn_down_exps.weight"},
      },
  });
  spec.prepare = prepare;
  return spec;
}

}  // namespace qtz::arch
