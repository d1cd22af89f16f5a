// EXAONE 3 and 3.5: Llama's build under GPT-2's names, rows as they are.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"

namespace qtz::arch {

namespace {

void emit_rope_size(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const double part = config.rope_number(config.rope(), "partial_rotary_factor").value_or(1.0);
  const std::uint64_t per_head = config.hidden_size() / config.head_count();
  build.set("rope.dimension_count", static_cast<std::uint32_t>(part * static_cast<double>(per_head)));
}

/// The published configurations call the epsilon of their RMS norms that of a layer norm.
void prepare(ModelConfig& config) {
  const auto epsilon = config.find("rms_norm_eps|layer_norm_epsilon");
  if (epsilon) config.set("rms_norm_eps", JsonValue(*epsilon->value));
  config.set("layer_norm_epsilon", nullptr);
  if (config.text("activation_function|hidden_act").value_or("silu") != "silu") {
    config.refuse("activation_function", "is not silu, which is all that llama.cpp knows here");
  }
}

}  // namespace

ArchSpec exaone() {
  ArchSpec spec;
  spec.classes = {"ExaoneForCausalLM"};
  spec.gguf_name = "exaone";
  spec.tokenizer = bpe_tokenizer();
  spec.optional_prefix = "transformer.";
  spec.defaults = R"({"rope_theta": 10000.0})";
  spec.keys = joined<KeyRule>({standard_keys(), {computed_keys(emit_rope_size)}});
  spec.tensors = {
      {"transformer.wte.weight", "token_embd.weight"},
      {"transformer.ln_f.weight", "output_norm.weight"},
      {"lm_head.weight", "output.weight", nullptr, "?"},
      {"transformer.h.{L}.ln_1.weight", "blk.{L}.attn_norm.weight"},
      {"transformer.h.{L}.attn.attention.q_proj.weight", "blk.{L}.attn_q.weight"},
      {"transformer.h.{L}.attn.attention.k_proj.weight", "blk.{L}.attn_k.weight"},
      {"transformer.h.{L}.attn.attention.v_proj.weight", "blk.{L}.attn_v.weight"},
      {"transformer.h.{L}.attn.attention.out_proj.weight", "blk.{L}.attn_output.weight"},
      {"transformer.h.{L}.ln_2.weight", "blk.{L}.ffn_norm.weight"},
      {"transformer.h.{L}.mlp.c_fc_0.weight", "blk.{L}.ffn_gate.weight"},
      {"transformer.h.{L}.mlp.c_fc_1.weight", "blk.{L}.ffn_up.weight"},
      {"transformer.h.{L}.mlp.c_proj.weight", "blk.{L}.ffn_down.weight"},
  };
  spec.prepare = prepare;
  spec.finish = add_llama3_rope_factors;
  return spec;
}

}  // namespace qtz::arch
