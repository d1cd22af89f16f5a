// ERNIE 4.5, dense; older checkpoints have q, k, v and gate, up fused.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/config_parts.h"
#include "model/tensor_ops.h"

namespace qtz::arch {

namespace {

TensorExprPtr rows_of(TensorExprPtr input, const ArchBuild& build, unsigned part) {
  const std::uint64_t dim = build.config.head_dim();
  const std::uint64_t queries = build.config.head_count() * dim;
  const std::uint64_t keys = build.config.kv_head_count() * dim;
  return sliced(std::move(input), 0,
                part == 0   ? 0
                : part == 1 ? queries
                            : queries + keys,
                part == 0 ? queries : keys);
}
TensorExprPtr query_rows(TensorExprPtr input, const ArchBuild& build) {
  return rows_of(std::move(input), build, 0);
}
TensorExprPtr key_rows(TensorExprPtr input, const ArchBuild& build) {
  return rows_of(std::move(input), build, 1);
}
TensorExprPtr value_rows(TensorExprPtr input, const ArchBuild& build) {
  return rows_of(std::move(input), build, 2);
}

}  // namespace

ArchSpec ernie4_5() {
  ArchSpec spec;
  spec.classes = {"Ernie4_5ForCausalLM", "Ernie4_5_ForCausalLM"};
  spec.gguf_name = "ernie4_5";
  spec.tokenizer = ernie_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-5, "rope_theta": 500000.0, "max_position_embeddings": 131072})";
  spec.keys = standard_keys();
  spec.tensors = joined<TensorRule>({
      trunk(),
      {
          {"model.layers.{L}.input_layernorm.{W}", "blk.{L}.attn_norm.{W}"},
          {"model.layers.{L}.self_attn.o_proj.{W}", "blk.{L}.attn_output.{W}"},
          {"model.layers.{L}.self_attn.q_proj.{W}", "blk.{L}.attn_q.{W}", nullptr, "attn:split"},
          {"model.layers.{L}.self_attn.k_proj.{W}", "blk.{L}.attn_k.{W}", nullptr, "attn:split"},
          {"model.layers.{L}.self_attn.v_proj.{W}", "blk.{L}.attn_v.{W}", nullptr, "attn:split"},
          {"model.layers.{L}.self_attn.qkv_proj.weight", "blk.{L}.attn_q.weight", query_rows, "attn:fused"},
          {"model.layers.{L}.self_attn.qkv_proj.weight", "blk.{L}.attn_k.weight", key_rows, "attn:fused"},
          {"model.layers.{L}.self_attn.qkv_proj.weight", "blk.{L}.attn_v.weight", value_rows, "attn:fused"},
      },
      mlp_norm(),
      {
          {"model.layers.{L}.mlp.up_gate_proj.weight", "blk.{L}.ffn_gate.weight", first_half, "ffn:fused"},
          {"model.layers.{L}.mlp.up_gate_proj.weight", "blk.{L}.ffn_up.weight", second_half, "ffn:fused"},
          {"model.layers.{L}.mlp.gate_proj.{W}", "blk.{L}.ffn_gate.{W}", nullptr, "ffn:dense"},
          {"model.layers.{L}.mlp.up_proj.{W}", "blk.{L}.ffn_up.{W}", nullptr, "ffn:dense"},
          {"model.layers.{L}.mlp.down_proj.{W}", "blk.{L}.ffn_down.{W}", nullptr, "ffn:dense|ffn:fused"},
      },
  });
  spec.parts = {{"ffn:fused", never}};
  return spec;
}

}  // namespace qtz::arch
