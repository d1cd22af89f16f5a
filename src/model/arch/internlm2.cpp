// InternLM 2 and 2.5: Llama's build under names of its own, q, k and v fused in groups.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/qkv_blocks.h"

namespace qtz::arch {

namespace {

TensorExprPtr query_rows(TensorExprPtr input, const ArchBuild& build) {
  return rope_query_rows(grouped_query_part(std::move(input), build), build);
}

TensorExprPtr key_rows(TensorExprPtr input, const ArchBuild& build) {
  return rope_key_rows(grouped_key_part(std::move(input), build), build);
}

}  // namespace

ArchSpec internlm2() {
  ArchSpec spec;
  spec.classes = {"InternLM2ForCausalLM"};
  spec.gguf_name = "internlm2";
  spec.tokenizer = internlm2_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-6, "rope_theta": 10000.0, "max_position_embeddings": 2048})";
  spec.keys = standard_keys();
  spec.tensors = {
      {"model.tok_embeddings.weight", "token_embd.weight"},
      {"model.norm.weight", "output_norm.weight"},
      {"output.weight", "output.weight"},
      {"model.layers.{L}.attention_norm.weight", "blk.{L}.attn_norm.weight"},
      {"model.layers.{L}.attention.wqkv.weight", "blk.{L}.attn_q.weight", query_rows},
      {"model.layers.{L}.attention.wqkv.weight", "blk.{L}.attn_k.weight", key_rows},
      {"model.layers.{L}.attention.wqkv.weight", "blk.{L}.attn_v.weight", grouped_value_part},
      {"model.layers.{L}.attention.wo.weight", "blk.{L}.attn_output.weight"},
      {"model.layers.{L}.ffn_norm.weight", "blk.{L}.ffn_norm.weight"},
      {"model.layers.{L}.feed_forward.w1.weight", "blk.{L}.ffn_gate.weight"},
      {"model.layers.{L}.feed_forward.w3.weight", "blk.{L}.ffn_up.weight"},
      {"model.layers.{L}.feed_forward.w2.weight", "blk.{L}.ffn_down.weight"},
  };
  spec.prepare = fill_in_kv_heads;
  return spec;
}

}  // namespace qtz::arch
