// Granite, dense: Llama with four scales.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/granite_family.h"
#include "model/arch/llama_family.h"

namespace qtz::arch {

namespace {

void set_scale(ArchBuild& build, std::string_view key, std::string_view field) {
  const auto value = build.config.number(field);
  if (value && *value != 0) build.set(key, static_cast<float>(*value));
}

void emit_scales(ArchBuild& build) {
  set_scale(build, "attention.scale", "attention_multiplier");
  set_scale(build, "embedding_scale", "embedding_multiplier");
  set_scale(build, "residual_scale", "residual_multiplier");
  set_scale(build, "logit_scale", "logits_scaling");
}

}  // namespace

std::vector<KeyRule> granite_keys() {
  return joined<KeyRule>({standard_keys(), vocabulary_and_rope_size(), {computed_keys(emit_scales)}});
}

std::vector<TensorRule> granite_experts() {
  return {
      {"model.layers.{L}.block_sparse_moe.router.layer.weight", "blk.{L}.ffn_gate_inp.weight"},
      {"model.layers.{L}.block_sparse_moe.input_linear.weight", "blk.{L}.ffn_gate_exps.weight", first_half},
      {"model.layers.{L}.block_sparse_moe.input_linear.weight", "blk.{L}.ffn_up_exps.weight", second_half},
      {"model.layers.{L}.block_sparse_moe.output_linear.weight", "blk.{L}.ffn_down_exps.weight"},
      {"model.layers.{L}.shared_mlp.input_linear.weight", "blk.{L}.ffn_gate_shexp.weight", first_half, "?"},
      {"model.layers.{L}.shared_mlp.input_linear.weight", "blk.{L}.ffn_up_shexp.weight", second_half, "?"},
      {"model.layers.{L}.shared_mlp.output_linear.weight", "blk.{L}.ffn_down_shexp.weight", nullptr, "?"},
  };
}

void ignore_head_dim(ModelConfig& config) {
  config.set("head_dim", nullptr);
  fill_in_kv_heads(config);
}

ArchSpec granite() {
  ArchSpec spec = llama();
  spec.classes = {"GraniteForCausalLM"};
  spec.gguf_name = "granite";
  spec.keys = granite_keys();
  spec.prepare = ignore_head_dim;
  return spec;
}

}  // namespace qtz::arch
