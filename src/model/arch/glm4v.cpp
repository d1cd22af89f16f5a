// GLM-4V and 4.1V, text part: GLM-4 with rotary sections. llama.cpp rotates those in halves and the weights
// are for neighbours, so the rotated rows of q and k change places.
#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/tensor_ops.h"
#include "qtz/core/error.h"

namespace qtz::arch {

namespace {

std::uint64_t rotated_dims(const ModelConfig& config) {
  const double part = config.rope_number(config.rope(), "partial_rotary_factor").value_or(0.5);
  if (!(part >= 0) || !(part <= 1)) config.refuse("partial_rotary_factor", "is not in 0..1");
  const auto dims = static_cast<std::uint64_t>(static_cast<double>(config.head_dim()) * part);
  if (dims % 2 != 0) config.refuse("partial_rotary_factor", "leaves an odd number of rotated dimensions");
  return dims;
}

/// Within each head: the even rows of the rotated ones, then the odd ones, then the others.
TensorExprPtr halved_rows(TensorExprPtr input, const ArchBuild& build) {
  const ModelConfig& config = build.config;
  if (config.rope().find("mrope_section") == nullptr) return input;
  const Shape shape = input->shape();
  const std::uint64_t head = config.head_dim();
  const std::uint64_t rows = shape.rank() == 0 ? 0 : shape[0];
  if (shape.rank() > 2 || rows % head != 0) {
    throw Error(ErrorKind::input_invalid,
                config.where() + ": " + describe(*input) + " does not divide into heads of " +
                    std::to_string(head) + " rows",
                "check that config.json belongs to these weights");
  }
  const std::uint64_t half = rotated_dims(config) / 2;
  const Shape matrix{rows, shape.rank() == 2 ? shape[1] : 1};  // a bias is a column
  const auto from = [head, half](std::uint64_t row) {
    const std::uint64_t at = row % head;
    const std::uint64_t place = at < half ? 2 * at : at < 2 * half ? 2 * (at - half) + 1 : at;
    return row - at + place;
  };
  return reshaped(gathered_rows(reshaped(std::move(input), matrix), matrix, from), shape);
}

}  // namespace

ArchSpec glm4v() {
  ArchSpec spec = glm4();
  spec.classes = {"Glm4vForConditionalGeneration"};
  for (TensorRule& rule : spec.tensors) {
    if (rule.target == "blk.{L}.attn_q.{W}" || rule.target == "blk.{L}.attn_k.{W}") {
      rule.transform = halved_rows;
    }
  }
  return spec;
}

}  // namespace qtz::arch
