// Qwen 3 VL with experts, text part: fused experts are mostly stored with rows and columns exchanged.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/qwen_family.h"
#include "model/tensor_ops.h"

namespace qtz::arch {

namespace {

/// Published checkpoints have [experts, columns, rows], some saved later [experts, rows, columns]. Where the
/// sizes do not tell, they are taken for the former.
TensorExprPtr upright(TensorExprPtr input, std::uint64_t rows, std::uint64_t cols) {
  const Shape& shape = input->shape();
  const bool is_upright = shape.rank() == 3 && shape[1] == rows && shape[2] == cols && rows != cols;
  return is_upright || shape.rank() < 2 ? input : transposed(std::move(input));
}

TensorExprPtr gate_and_up(TensorExprPtr input, const ArchBuild& build) {
  const ModelConfig& config = build.config;
  return upright(std::move(input), 2 * config.need_uint("moe_intermediate_size"), config.hidden_size());
}

TensorExprPtr gate(TensorExprPtr input, const ArchBuild& build) {
  return first_half(gate_and_up(std::move(input), build), build);
}
TensorExprPtr up(TensorExprPtr input, const ArchBuild& build) {
  return second_half(gate_and_up(std::move(input), build), build);
}
TensorExprPtr down(TensorExprPtr input, const ArchBuild& build) {
  const ModelConfig& config = build.config;
  return upright(std::move(input), config.hidden_size(), config.need_uint("moe_intermediate_size"));
}

}  // namespace

ArchSpec qwen3_vl_moe() {
  ArchSpec spec = qwen3_moe();
  spec.classes = {"Qwen3VLMoeForConditionalGeneration"};
  spec.gguf_name = "qwen3vlmoe";
  spec.keys = joined<KeyRule>({spec.keys, deepstack_keys()});
  for (TensorRule& rule : spec.tensors) {
    if (rule.needed != "ffn:fused") continue;
    if (rule.target == "blk.{L}.ffn_gate_exps.weight") rule.transform = gate;
    if (rule.target == "blk.{L}.ffn_up_exps.weight") rule.transform = up;
    if (rule.target == "blk.{L}.ffn_down_exps.weight") rule.transform = down;
  }
  spec.rename = without_thinker;
  return spec;
}

}  // namespace qtz::arch
