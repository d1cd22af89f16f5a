// GLM-5: DeepSeek's latent attention with the indexer of sparse attention; prediction layers are kept.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/deepseek_family.h"
#include "model/config_parts.h"

namespace qtz::arch {

namespace {

void emit_indexer_layers(ArchBuild& build) {
  const std::vector<std::string> types = build.config.texts("indexer_types");
  if (types.empty()) return;
  std::vector<bool> full;
  for (const std::string& type : types) full.push_back(type == "full");
  build.set("attention.indexer.types", GgufValue::bool_array(full));
}

void emit_rope_size(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const double part = config.rope_number(config.rope(), "partial_rotary_factor").value_or(1.0);
  const auto dims = static_cast<double>(config.need_uint("qk_rope_head_dim"));
  build.set("rope.dimension_count", static_cast<std::uint32_t>(dims * part));
}

/// Layers may take what an earlier one's indexer chose.
bool has_indexer(const ModelConfig& config, std::uint64_t layer) {
  const std::vector<std::string> types = config.texts("indexer_types");
  return layer >= types.size() || types[layer] == "full";
}

}  // namespace

std::vector<KeyRule> sparse_attention_keys() {
  return {
      optional_key(u32_key("nextn_predict_layers", "num_nextn_predict_layers")),
      u32_key("attention.indexer.head_count", "index_n_heads"),
      u32_key("attention.indexer.key_length", "index_head_dim"),
      u32_key("attention.indexer.top_k", "index_topk"),
  };
}

ArchSpec glm_moe_dsa() {
  ArchSpec spec = glm4_moe_lite();
  spec.classes = {"GlmMoeDsaForCausalLM"};
  spec.gguf_name = "glm-dsa";
  spec.keys = joined<KeyRule>({
      mla_keys(),
      {computed_keys(emit_rope_size)},
      sparse_attention_keys(),
      {computed_keys(emit_indexer_layers)},
  });
  spec.tensors = joined<TensorRule>({
      spec.tensors,
      {
          {"model.layers.{L}.self_attn.indexer.k_norm.{W}", "blk.{L}.indexer.k_norm.{W}", nullptr, "?"},
          {"model.layers.{L}.self_attn.indexer.weights_proj.weight", "blk.{L}.indexer.proj.weight", nullptr,
           "?"},
          {"model.layers.{L}.self_attn.indexer.wk.weight", "blk.{L}.indexer.attn_k.weight", nullptr, "?"},
          {"model.layers.{L}.self_attn.indexer.wq_b.weight", "blk.{L}.indexer.attn_q_b.weight", nullptr, "?"},
      },
  });
  spec.parts = {
      {"blk.{L}.indexer.*", has_indexer},
      {"blk.{L}.exp_probs_b.bias", layer_has_experts},
      // Of a kind that the other GLMs' prediction layers have.
      {"blk.{L}.nextn.embed_tokens.weight", never},
      {"blk.{L}.nextn.shared_head_head.weight", never},
  };
  return spec;
}

}  // namespace qtz::arch
