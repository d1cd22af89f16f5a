// ERNIE 4.5, dense; older checkpoints have q, k, v and gate, up fused.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/qkv_blocks.h"
#include "model/config_parts.h"

namespace qtz::arch {

namespace {

/// Older checkpoints call "ernie." what newer ones call "model.".
std::string rename(std::string name, const ModelConfig&) {
  constexpr std::string_view kOld = "ernie.";
  if (name.starts_with(kOld)) name.replace(0, kOld.size(), "model.");
  return name;
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
          {"model.layers.{L}.self_attn.qkv_proj.weight", "blk.{L}.attn_q.weight", query_part, "attn:fused"},
          {"model.layers.{L}.self_attn.qkv_proj.weight", "blk.{L}.attn_k.weight", key_part, "attn:fused"},
          {"model.layers.{L}.self_attn.qkv_proj.weight", "blk.{L}.attn_v.weight", value_part, "attn:fused"},
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
  spec.rename = rename;
  return spec;
}

}  // namespace qtz::arch
