// MiniMax M3, text part: MiniMax M2 with leading dense layers, a shared expert, norms for each head stored as
// their difference from one, and the indexer of block-sparse attention.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/config_parts.h"

namespace qtz::arch {

namespace {

void emit_keys(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const auto sparse = config.find("sparse_attention_config");
  if (!sparse) config.refuse("sparse_attention_config", "is missing");
  const ModelConfig part(*sparse->value, config.where() + ": 'sparse_attention_config'");
  const auto set = [&](std::string_view key, std::string_view field) {
    build.set(key, static_cast<std::uint32_t>(part.need_uint(field)));
  };
  set("attention.indexer.head_count", "sparse_num_index_heads");
  set("attention.indexer.key_length", "sparse_index_dim");
  set("attention.indexer.top_k", "sparse_topk_blocks");
  set("attention.indexer.block_size", "sparse_block_size");
  set("attention.indexer.local_blocks", "sparse_local_block");
  build.set("expert_weights_norm", true);
  std::uint32_t dense = 0;
  for (const std::uint64_t has_experts : config.uints("moe_layer_freq")) {
    if (has_experts != 0) break;
    ++dense;
  }
  build.set("leading_dense_block_count", dense);
}

/// The layers that attend sparsely have an indexer.
bool has_indexer(const ModelConfig& config, std::uint64_t layer) {
  const auto sparse = config.find("sparse_attention_config");
  if (!sparse) return false;
  const ModelConfig part(*sparse->value, config.where() + ": 'sparse_attention_config'");
  const std::vector<std::uint64_t> flags = part.uints("sparse_attention_freq");
  return layer < flags.size() ? flags[layer] != 0 : layer_has_experts(config, layer);
}

}  // namespace

ArchSpec minimax_m3() {
  ArchSpec spec = minimax_m2();
  spec.classes = {"MiniMaxM3SparseForCausalLM", "MiniMaxM3SparseForConditionalGeneration",
                  "MiniMaxM3ForCausalLM"};
  spec.gguf_name = "minimax-m3";
  spec.keys = joined<KeyRule>({
      spec.keys,
      {
          u32_key("expert_shared_count", "n_shared_experts"),
          f32_key("expert_weights_scale", "routed_scaling_factor"),
          computed_keys(emit_keys),
      },
  });
  for (TensorRule& rule : spec.tensors) {
    if (rule.source.find("block_sparse_moe") != std::string_view::npos) rule.needed = "ffn:experts";
  }
  spec.tensors = joined<TensorRule>({
      spec.tensors,
      needed_as("ffn:experts",
                {
                    {"model.layers.{L}.block_sparse_moe.shared_experts.gate_proj.weight",
                     "blk.{L}.ffn_gate_shexp.weight"},
                    {"model.layers.{L}.block_sparse_moe.shared_experts.up_proj.weight",
                     "blk.{L}.ffn_up_shexp.weight"},
                    {"model.layers.{L}.block_sparse_moe.shared_experts.down_proj.weight",
                     "blk.{L}.ffn_down_shexp.weight"},
                }),
      gated_mlp(),
      needed_as("?",
                {
                    {"model.layers.{L}.self_attn.index_q_proj.weight", "blk.{L}.indexer.q_proj.weight"},
                    {"model.layers.{L}.self_attn.index_k_proj.weight", "blk.{L}.indexer.k_proj.weight"},
                    {"model.layers.{L}.self_attn.index_q_norm.weight", "blk.{L}.indexer.q_norm.weight"},
                    {"model.layers.{L}.self_attn.index_k_norm.weight", "blk.{L}.indexer.k_norm.weight"},
                }),
  });
  for (TensorRule& rule : spec.tensors) {
    if (rule.target.find("norm.") != std::string_view::npos) rule.transform = plus_one;
  }
  spec.parts = {{"blk.{L}.indexer.*", has_indexer}};
  spec.f32_targets = {"blk.{L}.indexer.q_proj.weight", "blk.{L}.indexer.k_proj.weight"};
  return spec;
}

}  // namespace qtz::arch
