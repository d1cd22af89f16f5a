// GLM-4 of 2025 (Glm4ForCausalLM): norms before and after attention and MLP, gate and up fused.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/config_parts.h"

namespace qtz::arch {

namespace {

void emit_rope_size(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const double part = config.rope_number(config.rope(), "partial_rotary_factor").value_or(0.5);
  build.set("rope.dimension_count",
            static_cast<std::uint32_t>(static_cast<double>(config.head_dim()) * part));
}

}  // namespace

ArchSpec glm4() {
  ArchSpec spec;
  spec.classes = {"Glm4ForCausalLM"};
  spec.gguf_name = "glm4";
  spec.tokenizer = glm4_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1.5625e-07, "rope_theta": 10000.0, "max_position_embeddings": 131072,
                      "head_dim": 128, "num_key_value_heads": 2})";
  spec.keys = joined<KeyRule>({standard_keys(), {computed_keys(emit_rope_size)}});
  spec.tensors = joined<TensorRule>({
      trunk(),
      attention(),
      mlp_norm(),
      fused_gated_mlp(),
      {
          {"model.layers.{L}.post_self_attn_layernorm.{W}", "blk.{L}.post_attention_norm.{W}"},
          {"model.layers.{L}.post_mlp_layernorm.{W}", "blk.{L}.post_ffw_norm.{W}"},
      },
  });
  spec.parts = {{"blk.{L}.attn_output.bias", never}};
  return spec;
}

}  // namespace qtz::arch
