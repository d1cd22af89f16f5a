// Arctic: a dense MLP and experts side by side in every layer, each with a norm of its own.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"

namespace qtz::arch {

ArchSpec arctic() {
  ArchSpec spec;
  spec.classes = {"ArcticForCausalLM"};
  spec.gguf_name = "arctic";
  spec.tokenizer = arctic_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-5, "rope_theta": 1000000.0, "max_position_embeddings": 4096,
                      "num_local_experts": 8, "num_experts_per_tok": 1})";
  spec.keys = joined<KeyRule>({standard_keys(), vocabulary_and_rope_size()});
  spec.tensors = joined<TensorRule>({
      trunk(),
      attention_permuted(),
      {
          {"model.layers.{L}.residual_layernorm.weight", "blk.{L}.ffn_norm.weight"},
          {"model.layers.{L}.residual_mlp.w1.weight", "blk.{L}.ffn_gate.weight"},
          {"model.layers.{L}.residual_mlp.w2.weight", "blk.{L}.ffn_down.weight"},
          {"model.layers.{L}.residual_mlp.w3.weight", "blk.{L}.ffn_up.weight"},
          {"model.layers.{L}.post_attention_layernorm.weight", "blk.{L}.ffn_norm_exps.weight"},
          {"model.layers.{L}.block_sparse_moe.gate.weight", "blk.{L}.ffn_gate_inp.weight"},
          {"model.layers.{L}.block_sparse_moe.experts.{E}.w1.weight", "blk.{L}.ffn_gate_exps.weight"},
          {"model.layers.{L}.block_sparse_moe.experts.{E}.w2.weight", "blk.{L}.ffn_down_exps.weight"},
          {"model.layers.{L}.block_sparse_moe.experts.{E}.w3.weight", "blk.{L}.ffn_up_exps.weight"},
      },
  });
  // Heads are always hidden size / heads wide here.
  spec.prepare = [](ModelConfig& config) {
    config.set("head_dim", nullptr);
    fill_in_kv_heads(config);
  };
  return spec;
}

}  // namespace qtz::arch
