// StableLM: layer norms, rotary on a part of each head; the 12B has a norm for each head of q and k, and no
// norm before the MLP, which works beside the attention.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/config_parts.h"

namespace qtz::arch {

namespace {

void emit_rope_size(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const double part = config.rope_number(config.rope(), "partial_rotary_factor").value_or(0.25);
  const std::uint64_t per_head = config.hidden_size() / config.head_count();
  build.set("rope.dimension_count", static_cast<std::uint32_t>(part * static_cast<double>(per_head)));
}

void adapt(ArchSpec& spec, ModelConfig& config, const TensorSource&) {
  if (!config.boolean("use_parallel_residual").value_or(false)) {
    spec.tensors = joined<TensorRule>({spec.tensors, mlp_norm()});
  }
  if (config.boolean("qk_layernorm").value_or(false)) {
    spec.tensors = joined<TensorRule>({
        spec.tensors,
        {
            {"model.layers.{L}.self_attn.q_layernorm.norms.{N}.weight", "blk.{L}.attn_q_norm.weight"},
            {"model.layers.{L}.self_attn.k_layernorm.norms.{N}.weight", "blk.{L}.attn_k_norm.weight"},
        },
    });
  }
}

}  // namespace

ArchSpec stablelm() {
  ArchSpec spec;
  spec.classes = {"StableLmForCausalLM", "StableLMEpochForCausalLM"};
  spec.gguf_name = "stablelm";
  spec.tokenizer = bpe_tokenizer();
  spec.defaults = R"({"layer_norm_eps": 1e-5, "max_position_embeddings": 4096, "num_key_value_heads": 32,
                      "use_parallel_residual": false})";
  spec.keys = {
      u32_key("context_length", "max_position_embeddings"),
      u32_key("embedding_length", "hidden_size"),
      u32_key("block_count", "num_hidden_layers"),
      u32_key("feed_forward_length", "intermediate_size"),
      computed_keys(emit_rope_size),
      u32_key("attention.head_count", "num_attention_heads"),
      u32_key("attention.head_count_kv", "num_key_value_heads"),
      bool_key("use_parallel_residual", "use_parallel_residual"),
      f32_key("attention.layer_norm_epsilon", "layer_norm_eps|norm_eps"),
  };
  spec.tensors = joined<TensorRule>({trunk(), attention(), gated_mlp()});
  spec.adapt = adapt;
  spec.parts = {{"*norm.bias", always}};
  return spec;
}

}  // namespace qtz::arch
