// Qwen 3.5 and 3.6, dense, text part: linear attention whose value heads are stored grouped by key head;
// llama.cpp wants them tiled.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/qwen_family.h"
#include "model/tensor_ops.h"

namespace qtz::arch {

namespace {

/// Value heads along an axis from [key head, value head of it] to [value head, key head] order.
TensorExprPtr tiled_heads(TensorExprPtr input, const ArchBuild& build, std::size_t axis) {
  const LinearHeads heads = linear_heads(build.config);
  if (heads.keys == heads.values) return input;
  return swapped_groups(std::move(input), axis, 1, heads.keys, heads.values / heads.keys);
}

TensorExprPtr tiled_rows(TensorExprPtr input, const ArchBuild& build) {
  return tiled_heads(std::move(input), build, 0);
}
TensorExprPtr tiled_columns(TensorExprPtr input, const ArchBuild& build) {
  return tiled_heads(std::move(input), build, 1);
}
TensorExprPtr tiled_decay_rates(TensorExprPtr input, const ArchBuild& build) {
  return negative_exp(tiled_heads(std::move(input), build, 0));
}

/// Rows of q and k stay, those of v are reordered.
TensorExprPtr tiled_value_rows(TensorExprPtr input, const ArchBuild& build) {
  const LinearHeads heads = linear_heads(build.config);
  if (heads.keys == heads.values) return input;
  const std::uint64_t before = 2 * heads.keys * heads.key_dim;
  const std::uint64_t values = heads.values * heads.value_dim;
  return concatenated({sliced(input, 0, 0, before), tiled_rows(sliced(input, 0, before, values), build)});
}

TensorExprPtr tiled_convolution(TensorExprPtr input, const ArchBuild& build) {
  return tiled_value_rows(squeezed(std::move(input), build), build);
}

void emit_sections(ArchBuild& build) {
  if (build.config.rope().find("mrope_section") != nullptr) return;
  build.set("rope.dimension_sections", std::vector<std::int32_t>{11, 11, 10, 0});  // of its own class
}

}  // namespace

ArchSpec qwen3_5() {
  ArchSpec spec;
  spec.classes = {"Qwen3_5ForCausalLM", "Qwen3_5ForConditionalGeneration"};
  spec.gguf_name = "qwen35";
  spec.tokenizer = bpe_tokenizer();
  spec.defaults = R"({"rms_norm_eps": 1e-6, "rope_theta": 10000.0, "max_position_embeddings": 32768,
                      "head_dim": 256, "linear_conv_kernel_dim": 4})";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      {optional_key(u32_key("expert_feed_forward_length", "moe_intermediate_size")),
       optional_key(u32_key("expert_shared_feed_forward_length", "shared_expert_intermediate_size"))},
      linear_attention_keys(),
      {computed_keys(emit_sections)},
  });
  spec.tensors = joined<TensorRule>({
      shifted_trunk(),
      hybrid_attention(),
      needed_as("mixer:linear",
                {
                    {"model.layers.{L}.linear_attn.in_proj_qkv.weight", "blk.{L}.attn_qkv.weight",
                     tiled_value_rows},
                    {"model.layers.{L}.linear_attn.in_proj_z.weight", "blk.{L}.attn_gate.weight", tiled_rows},
                    {"model.layers.{L}.linear_attn.in_proj_a.weight", "blk.{L}.ssm_alpha.weight", tiled_rows},
                    {"model.layers.{L}.linear_attn.in_proj_b.weight", "blk.{L}.ssm_beta.weight", tiled_rows},
                }),
      gated_mlp(),
      qwen_prediction_layer(),
  });
  for (TensorRule& rule : spec.tensors) {
    if (rule.target == "blk.{L}.ssm_a") rule.transform = tiled_decay_rates;
    if (rule.target == "blk.{L}.ssm_dt.bias") rule.transform = tiled_rows;
    if (rule.target == "blk.{L}.ssm_conv1d.weight") rule.transform = tiled_convolution;
    if (rule.target == "blk.{L}.ssm_out.weight") rule.transform = tiled_columns;
  }
  spec.prediction = {.keep = true, .drop = true, .only = true};
  spec.adapt = count_mtp_layers;
  spec.rename = rename_mtp;
  return spec;
}

}  // namespace qtz::arch
