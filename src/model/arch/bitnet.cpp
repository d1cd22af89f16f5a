// BitNet: Llama with norms before the output and the down projection, and projections of three values.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/quantized/packed_ops.h"
#include "qtz/core/error.h"

namespace qtz::arch {

namespace {

/// The model's own code rounds its weights while it runs; a "quantization_config" speaks of ones that were.
TensorExprPtr ternary(TensorExprPtr input, const ArchBuild& build) {
  if (build.config.stored().find("quantization_config") != nullptr) return input;
  return absmean_ternary(std::move(input));
}

TensorRule projection(std::string_view source, std::string_view target) {
  return {source, target, ternary};
}

bool has_first_names(const ModelConfig& config, std::uint64_t) {
  return config.class_name() == "BitnetForCausalLM";
}
bool has_later_names(const ModelConfig& config, std::uint64_t layer) {
  return !has_first_names(config, layer);
}

/// The first models' code knows SiLU alone. llama.cpp's graph has it whatever the keys say, so those with
/// another activation would talk nonsense.
void require_silu(ModelConfig& config) {
  fill_in_kv_heads(config);
  const char* const assumed = has_first_names(config, 0) ? "silu" : "relu2";
  const std::string activation = config.text("hidden_act").value_or(assumed);
  if (activation != "silu") {
    config.refuse("hidden_act", "'" + printable(activation) +
                                    "' is not what llama.cpp computes for this "
                                    "architecture, which is 'silu'");
  }
}

}  // namespace

ArchSpec bitnet() {
  ArchSpec spec;
  spec.classes = {"BitnetForCausalLM", "BitNetForCausalLM"};
  spec.gguf_name = "bitnet";
  spec.tokenizer = sentencepiece_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-5, "rope_theta": 10000.0, "max_position_embeddings": 2048})";
  spec.keys = joined<KeyRule>({standard_keys(), {computed_keys([](ArchBuild& build) {
                                 build.set("rope.scaling.type", "linear");
                                 build.set("rope.scaling.factor", 1.0F);
                               })}});
  spec.tensors = {
      {"model.embed_tokens.weight", "token_embd.weight"},
      {"model.norm.weight", "output_norm.weight"},
      {"model.layers.{L}.input_layernorm.weight", "blk.{L}.attn_norm.weight"},
      projection("model.layers.{L}.self_attn.q_proj.weight", "blk.{L}.attn_q.weight"),
      projection("model.layers.{L}.self_attn.k_proj.weight", "blk.{L}.attn_k.weight"),
      projection("model.layers.{L}.self_attn.v_proj.weight", "blk.{L}.attn_v.weight"),
      projection("model.layers.{L}.self_attn.o_proj.weight", "blk.{L}.attn_output.weight"),
      {"model.layers.{L}.self_attn.inner_attn_ln.weight", "blk.{L}.attn_sub_norm.weight", nullptr,
       "attn_norm:inner"},
      {"model.layers.{L}.self_attn.attn_sub_norm.weight", "blk.{L}.attn_sub_norm.weight", nullptr,
       "attn_norm:sub"},
      {"model.layers.{L}.post_attention_layernorm.weight", "blk.{L}.ffn_norm.weight"},
      projection("model.layers.{L}.mlp.gate_proj.weight", "blk.{L}.ffn_gate.weight"),
      projection("model.layers.{L}.mlp.up_proj.weight", "blk.{L}.ffn_up.weight"),
      projection("model.layers.{L}.mlp.down_proj.weight", "blk.{L}.ffn_down.weight"),
      {"model.layers.{L}.mlp.ffn_layernorm.weight", "blk.{L}.ffn_sub_norm.weight", nullptr, "ffn_norm:inner"},
      {"model.layers.{L}.mlp.ffn_sub_norm.weight", "blk.{L}.ffn_sub_norm.weight", nullptr, "ffn_norm:sub"},
  };
  spec.prepare = require_silu;
  spec.parts = {{"attn_norm:inner", has_first_names},
                {"ffn_norm:inner", has_first_names},
                {"attn_norm:sub", has_later_names},
                {"ffn_norm:sub", has_later_names}};
  return spec;
}

}  // namespace qtz::arch
