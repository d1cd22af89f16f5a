// Granite 4 and Bamba: Mamba 2 layers between attention layers; experts, a shared MLP, or only that. Models
// of the class without Mamba layers are plain Granite to llama.cpp.
#include <algorithm>

#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/granite_family.h"
#include "model/arch/mamba_family.h"
#include "model/config_parts.h"

namespace qtz::arch {

namespace {

constexpr std::uint32_t kAnyLength = 1U << 20;  // without positions there is no length either

std::vector<bool> attention_layers(const ModelConfig& config) {
  std::vector<bool> attention = layers_of_type(config, "attention");
  if (!attention.empty()) return attention;
  attention.assign(config.block_count(), false);
  const std::vector<std::uint64_t> listed = config.uints("attn_layer_indices");
  for (const std::uint64_t layer : listed) {
    if (layer >= attention.size()) config.refuse("attn_layer_indices", "names a layer that does not exist");
    attention[layer] = true;
  }
  if (listed.empty()) {
    const std::uint64_t period = config.need_uint("attn_layer_period");
    const std::uint64_t offset = config.need_uint("attn_layer_offset");
    if (period == 0) config.refuse("attn_layer_period", "is 0");
    for (std::uint64_t layer = 0; layer < attention.size(); ++layer)
      attention[layer] = layer % period == offset;
  }
  return attention;
}

void emit_hybrid(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const std::vector<bool> attention = attention_layers(config);
  emit_mamba2_sizes(build);
  const auto heads = static_cast<std::int32_t>(config.kv_head_count());
  std::vector<std::int32_t> per_layer;
  for (const bool attends : attention) per_layer.push_back(attends ? heads : 0);
  if (const auto dims = config.uint("attn_rotary_emb")) {
    build.set("rope.dimension_count", static_cast<std::uint32_t>(*dims));
  }
  build.set("attention.head_count_kv", per_layer);
  const bool positions = config.class_name() == "BambaForCausalLM";
  build.set("rope.scaling.finetuned", positions);
  if (!positions) build.set("context_length", kAnyLength);
}

std::vector<TensorRule> dense_rules() {
  return joined<TensorRule>({
      needed_as(
          "ffn:shared",
          {
              {"model.layers.{L}.shared_mlp.input_linear.weight", "blk.{L}.ffn_gate.weight", first_half},
              {"model.layers.{L}.shared_mlp.input_linear.weight", "blk.{L}.ffn_up.weight", second_half},
              {"model.layers.{L}.shared_mlp.output_linear.weight", "blk.{L}.ffn_down.weight"},
          }),
      needed_as("ffn:dense",
                {
                    {"model.layers.{L}.feed_forward.gate_proj.weight", "blk.{L}.ffn_gate.weight"},
                    {"model.layers.{L}.feed_forward.up_proj.weight", "blk.{L}.ffn_up.weight"},
                    {"model.layers.{L}.feed_forward.down_proj.weight", "blk.{L}.ffn_down.weight"},
                }),
  });
}

void adapt(ArchSpec& spec, ModelConfig& config, const TensorSource&) {
  const std::vector<bool> attention = attention_layers(config);
  const bool has_experts = config.expert_count() > 0;
  const bool hybrid = std::find(attention.begin(), attention.end(), false) != attention.end();
  spec.tensors = joined<TensorRule>({spec.tensors, has_experts ? granite_experts() : dense_rules()});
  if (hybrid) {
    spec.keys.push_back(computed_keys(emit_hybrid));
  } else {
    spec.gguf_name = has_experts ? "granitemoe" : "granite";
  }
}

bool attends(const ModelConfig& config, std::uint64_t layer) {
  return attention_layers(config)[layer];
}

bool is_mamba(const ModelConfig& config, std::uint64_t layer) {
  return !attends(config, layer);
}

bool is_bamba(const ModelConfig& config, std::uint64_t) {
  return config.class_name() == "BambaForCausalLM";
}

bool is_granite(const ModelConfig& config, std::uint64_t layer) {
  return !is_bamba(config, layer);
}

}  // namespace

ArchSpec granite_hybrid() {
  ArchSpec spec;
  spec.classes = {"GraniteMoeHybridForCausalLM", "BambaForCausalLM"};
  spec.gguf_name = "granitehybrid";
  spec.tokenizer = bpe_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-6, "rope_theta": 10000.0, "max_position_embeddings": 2048})";
  spec.keys = joined<KeyRule>({
      granite_keys(),
      {optional_key(u32_key("expert_shared_feed_forward_length", "shared_intermediate_size"))},
  });
  std::vector<TensorRule> attention = attention_permuted();
  attention.erase(attention.begin());  // the norm before both kinds of layers
  spec.tensors = joined<TensorRule>({
      trunk(),
      {
          {"model.final_layernorm.weight", "output_norm.weight", nullptr, "?"},
          {"model.layers.{L}.input_layernorm.weight", "blk.{L}.attn_norm.weight"},
          {"model.layers.{L}.post_attention_layernorm.weight", "blk.{L}.ffn_norm.weight", nullptr,
           "norm:own"},
          {"model.layers.{L}.pre_ff_layernorm.weight", "blk.{L}.ffn_norm.weight", nullptr, "norm:bamba"},
      },
      needed_as("mixer:attention", attention),
      needed_as("mixer:mamba", mamba2_mixer(MixerNames::layer)),
  });
  spec.tensors[1].needed = "?";  // Bamba calls it final_layernorm
  spec.adapt = adapt;
  spec.prepare = ignore_head_dim;
  spec.parts = granite_moe().parts;
  spec.parts.insert(spec.parts.end(), {
                                          {"output_norm.weight", always},
                                          {"mixer:attention", attends},
                                          {"mixer:mamba", is_mamba},
                                          {"blk.{L}.ssm_norm.weight", is_mamba},
                                          {"norm:own", is_granite},
                                          {"norm:bamba", is_bamba},
                                          {"ffn:shared", is_granite},
                                          {"ffn:dense", is_bamba},
                                      });
  return spec;
}

}  // namespace qtz::arch
