// Phi-1, Phi-1.5 and Phi-2: attention and MLP side by side under one norm, biases everywhere, rotary on a
// part of each head.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/config_parts.h"

namespace qtz::arch {

namespace {

void emit_sizes(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const std::uint64_t size = config.hidden_size();
  const auto heads = static_cast<std::uint32_t>(config.head_count());
  const double part = config.rope_number(config.rope(), "partial_rotary_factor").value_or(0.5);
  build.set("feed_forward_length", static_cast<std::uint32_t>(4 * size));
  build.set("attention.head_count", heads);
  build.set("attention.head_count_kv", heads);
  build.set("rope.dimension_count", static_cast<std::uint32_t>(part * static_cast<double>(size)) / heads);
}

}  // namespace

ArchSpec phi2() {
  ArchSpec spec;
  spec.classes = {"PhiForCausalLM"};
  spec.gguf_name = "phi2";
  spec.tokenizer = phi2_tokenizer();
  spec.defaults = R"({"layer_norm_eps": 1e-5, "max_position_embeddings": 2048})";
  spec.keys = {
      u32_key("context_length", "n_positions|max_position_embeddings"),
      u32_key("embedding_length", "hidden_size|n_embd"),
      u32_key("block_count", "num_hidden_layers|n_layer"),
      computed_keys(emit_sizes),
      f32_key("attention.layer_norm_epsilon", "layer_norm_epsilon|layer_norm_eps"),
  };
  std::vector<TensorRule> attention_rules = attention();
  attention_rules.back().source = "model.layers.{L}.self_attn.dense.{W}";
  spec.tensors = joined<TensorRule>({
      {
          {"model.embed_tokens.weight", "token_embd.weight"},
          {"model.final_layernorm.{W}", "output_norm.{W}"},
          {"lm_head.{W}", "output.{W}", nullptr, "?"},
      },
      attention_rules,
      {
          {"model.layers.{L}.mlp.fc1.{W}", "blk.{L}.ffn_up.{W}"},
          {"model.layers.{L}.mlp.fc2.{W}", "blk.{L}.ffn_down.{W}"},
      },
  });
  spec.parts = {{"*.bias", always}};
  return spec;
}

}  // namespace qtz::arch
