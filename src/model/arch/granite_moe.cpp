// Granite 3 with experts, with or without a shared one beside them.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/granite_family.h"
#include "model/config_parts.h"

namespace qtz::arch {

namespace {

bool has_shared_expert(const ModelConfig& config, std::uint64_t) {
  return config.uint("shared_intermediate_size").value_or(0) > 0;
}

}  // namespace

ArchSpec granite_moe() {
  ArchSpec spec = granite();
  spec.classes = {"GraniteMoeForCausalLM", "GraniteMoeSharedForCausalLM"};
  spec.gguf_name = "granitemoe";
  spec.defaults = R"({"rms_norm_eps": 1e-6, "rope_theta": 10000.0, "max_position_embeddings": 2048,
                      "num_local_experts": 8, "num_experts_per_tok": 2})";
  spec.keys.push_back(computed_keys([](ArchBuild& build) {
    const auto size = build.config.uint("shared_intermediate_size").value_or(0);
    if (size > 0) build.set("expert_shared_feed_forward_length", static_cast<std::uint32_t>(size));
  }));
  spec.tensors = joined<TensorRule>({trunk(), attention_permuted(), mlp_norm(), granite_experts()});
  spec.parts = {
      {"blk.{L}.ffn_gate_shexp.weight", has_shared_expert},
      {"blk.{L}.ffn_up_shexp.weight", has_shared_expert},
      {"blk.{L}.ffn_down_shexp.weight", has_shared_expert},
  };
  return spec;
}

}  // namespace qtz::arch
