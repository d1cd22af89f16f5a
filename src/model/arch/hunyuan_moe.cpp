// Hunyuan with experts (A13B): every layer has routed experts and a shared one.
#include "model/arch/architectures.h"
#include "model/arch/hunyuan_family.h"

namespace qtz::arch {

namespace {

/// A count that the configuration gives once, or for every layer; layers that differ are an Error.
std::uint32_t same_everywhere(const ModelConfig& config, std::string_view field) {
  const auto found = config.find(field);
  if (!found || !found->value->is_array()) return static_cast<std::uint32_t>(config.need_uint(field));
  const std::vector<std::uint64_t> counts = config.uints(field);
  if (counts.empty()) config.refuse(field, "is an empty list");
  for (const std::uint64_t count : counts) {
    if (count != counts.front())
      config.refuse(field, "differs between layers, which llama.cpp does not know");
  }
  return static_cast<std::uint32_t>(counts.front());
}

void emit_experts(ArchBuild& build) {
  const ModelConfig& config = build.config;
  build.set("expert_shared_feed_forward_length",
            static_cast<std::uint32_t>(config.need_uint("intermediate_size")));
  build.set("expert_feed_forward_length", same_everywhere(config, "moe_intermediate_size"));
  build.set("expert_used_count", same_everywhere(config, "moe_topk"));
  build.set("expert_shared_count", same_everywhere(config, "num_shared_expert"));
}

}  // namespace

ArchSpec hunyuan_moe() {
  ArchSpec spec;
  spec.classes = {"HunYuanMoEV1ForCausalLM"};
  spec.gguf_name = "hunyuan-moe";
  spec.tokenizer = hunyuan_moe_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-5, "rope_theta": 10000.0, "max_position_embeddings": 2048})";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      {computed_keys(emit_experts),
       computed_keys([](ArchBuild& build) { emit_stretched_rope(build, 1000.0); })},
  });
  spec.tensors = joined<TensorRule>({
      trunk(),
      attention(),
      hunyuan_head_norms(),
      mlp_norm(),
      {
          {"model.layers.{L}.mlp.gate.wg.weight", "blk.{L}.ffn_gate_inp.weight"},
          {"model.layers.{L}.mlp.experts.{E}.gate_proj.weight", "blk.{L}.ffn_gate_exps.weight"},
          {"model.layers.{L}.mlp.experts.{E}.up_proj.weight", "blk.{L}.ffn_up_exps.weight"},
          {"model.layers.{L}.mlp.experts.{E}.down_proj.weight", "blk.{L}.ffn_down_exps.weight"},
          {"model.layers.{L}.mlp.shared_mlp.gate_proj.weight", "blk.{L}.ffn_gate_shexp.weight"},
          {"model.layers.{L}.mlp.shared_mlp.up_proj.weight", "blk.{L}.ffn_up_shexp.weight"},
          {"model.layers.{L}.mlp.shared_mlp.down_proj.weight", "blk.{L}.ffn_down_shexp.weight"},
      },
  });
  spec.adapt = [](ArchSpec& own, ModelConfig& config, const TensorSource&) {
    if (config.boolean("tie_word_embeddings").value_or(false))
      own.skips.push_back({"lm_head.weight", "the embedding once more"});
  };
  spec.prepare = fill_in_kv_heads;
  return spec;
}

}  // namespace qtz::arch
