// gpt-oss: gate and up interleaved, biases on experts and router, attention sinks. Experts are stored
// transposed in 16 bits, and not transposed as blocks of MXFP4.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/config_parts.h"
#include "model/tensor_ops.h"

namespace qtz::arch {

namespace {

// [experts, hidden, 2 x inner]: after turning, even rows are the gate's and odd rows the up projection's.
TensorExprPtr gate_rows(TensorExprPtr input, const ArchBuild&) {
  return strided(transposed(std::move(input)), 1, 0, 2);
}
TensorExprPtr up_rows(TensorExprPtr input, const ArchBuild&) {
  return strided(transposed(std::move(input)), 1, 1, 2);
}
TensorExprPtr gate_blocks(TensorExprPtr input, const ArchBuild&) {
  return strided(std::move(input), 1, 0, 2);
}
TensorExprPtr up_blocks(TensorExprPtr input, const ArchBuild&) {
  return strided(std::move(input), 1, 1, 2);
}
TensorExprPtr gate_bias(TensorExprPtr input, const ArchBuild&) {
  return strided(std::move(input), 1, 0, 2);
}
TensorExprPtr up_bias(TensorExprPtr input, const ArchBuild&) {
  return strided(std::move(input), 1, 1, 2);
}

bool has_blocks(const ModelConfig& config, std::uint64_t) {
  return config.stored().find("quantization_config") != nullptr;
}

bool has_16_bit_experts(const ModelConfig& config, std::uint64_t layer) {
  return !has_blocks(config, layer);
}

}  // namespace

ArchSpec gpt_oss() {
  ArchSpec spec;
  spec.classes = {"GptOssForCausalLM"};
  spec.gguf_name = "gpt-oss";
  spec.tokenizer = bpe_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-5, "rope_theta": 150000.0, "head_dim": 64, "sliding_window": 128,
                      "num_local_experts": 128, "num_experts_per_tok": 4})";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      {
          u32_key("attention.sliding_window", "sliding_window"),
          u32_key("expert_feed_forward_length", "intermediate_size"),
      },
  });
  spec.tensors = joined<TensorRule>({
      trunk(),
      attention(),
      {
          {"model.layers.{L}.self_attn.sinks", "blk.{L}.attn_sinks.weight"},
          {"model.layers.{L}.post_attention_layernorm.{W}", "blk.{L}.post_attention_norm.{W}"},
          {"model.layers.{L}.mlp.router.{W}", "blk.{L}.ffn_gate_inp.{W}"},
          {"model.layers.{L}.mlp.experts.gate_up_proj", "blk.{L}.ffn_gate_exps.weight", gate_rows,
           "gate_up:16-bit"},
          {"model.layers.{L}.mlp.experts.gate_up_proj", "blk.{L}.ffn_up_exps.weight", up_rows,
           "gate_up:16-bit"},
          {"model.layers.{L}.mlp.experts.gate_up_proj_blocks", "blk.{L}.ffn_gate_exps.weight", gate_blocks,
           "gate_up:blocks"},
          {"model.layers.{L}.mlp.experts.gate_up_proj_blocks", "blk.{L}.ffn_up_exps.weight", up_blocks,
           "gate_up:blocks"},
          {"model.layers.{L}.mlp.experts.gate_up_proj_bias", "blk.{L}.ffn_gate_exps.bias", gate_bias},
          {"model.layers.{L}.mlp.experts.gate_up_proj_bias", "blk.{L}.ffn_up_exps.bias", up_bias},
          {"model.layers.{L}.mlp.experts.down_proj", "blk.{L}.ffn_down_exps.weight", transposed_weight,
           "down:16-bit"},
          {"model.layers.{L}.mlp.experts.down_proj_blocks", "blk.{L}.ffn_down_exps.weight", nullptr,
           "down:blocks"},
          {"model.layers.{L}.mlp.experts.down_proj_bias", "blk.{L}.ffn_down_exps.bias"},
      },
  });
  spec.parts = {
      {"gate_up:blocks", has_blocks},        {"gate_up:16-bit", has_16_bit_experts},
      {"down:blocks", has_blocks},           {"down:16-bit", has_16_bit_experts},
      {"blk.{L}.attn_q.bias", always},       {"blk.{L}.attn_k.bias", always},
      {"blk.{L}.attn_v.bias", always},       {"blk.{L}.attn_output.bias", always},
      {"blk.{L}.ffn_gate_inp.bias", always},
  };
  return spec;
}

}  // namespace qtz::arch
