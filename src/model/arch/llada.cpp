// LLaDA: Llama's build under OLMo's names, read in both directions: a model of diffusion.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"

namespace qtz::arch {

namespace {

void emit_diffusion(ArchBuild& build) {
  build.set("attention.causal", false);
  build.keys.set("diffusion.shift_logits", false);
}

/// Sizes under the names that the common keys know.
void prepare(ModelConfig& config) {
  config.set("hidden_size", config.need_uint("d_model"));
  config.set("intermediate_size", config.need_uint("mlp_hidden_size"));
  config.set("max_position_embeddings", config.need_uint("max_sequence_length"));
  if (!config.has("num_key_value_heads|n_kv_heads")) config.set("n_kv_heads", config.head_count());
}

}  // namespace

ArchSpec llada() {
  ArchSpec spec;
  spec.classes = {"LLaDAModelLM"};
  spec.gguf_name = "llada";
  spec.tokenizer = llada_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-5, "rope_theta": 10000.0, "d_model": 4096, "mlp_hidden_size": 12288,
                      "max_sequence_length": 4096})";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      vocabulary_and_rope_size(),
      {pooling_key(), computed_keys(emit_diffusion)},
  });
  spec.tensors = {
      {"model.transformer.wte.weight", "token_embd.weight"},
      {"model.transformer.ln_f.weight", "output_norm.weight"},
      {"model.transformer.ff_out.weight", "output.weight", nullptr, "?"},
      {"model.transformer.blocks.{L}.attn_norm.weight", "blk.{L}.attn_norm.weight"},
      {"model.transformer.blocks.{L}.q_proj.weight", "blk.{L}.attn_q.weight", rope_query_rows},
      {"model.transformer.blocks.{L}.k_proj.weight", "blk.{L}.attn_k.weight", rope_key_rows},
      {"model.transformer.blocks.{L}.v_proj.weight", "blk.{L}.attn_v.weight"},
      {"model.transformer.blocks.{L}.attn_out.weight", "blk.{L}.attn_output.weight"},
      {"model.transformer.blocks.{L}.ff_norm.weight", "blk.{L}.ffn_norm.weight"},
      {"model.transformer.blocks.{L}.ff_proj.weight", "blk.{L}.ffn_gate.weight"},
      {"model.transformer.blocks.{L}.up_proj.weight", "blk.{L}.ffn_up.weight"},
      {"model.transformer.blocks.{L}.ff_out.weight", "blk.{L}.ffn_down.weight"},
  };
  spec.prepare = prepare;
  return spec;
}

}  // namespace qtz::arch
