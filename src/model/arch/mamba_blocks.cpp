// Mamba 1 and 2 mixers as tables.
#include <algorithm>

#include "model/arch/arch_blocks.h"
#include "model/arch/mamba_family.h"
#include "model/tensor_ops.h"

namespace qtz::arch {

namespace {

TensorExprPtr grouped_norm(TensorExprPtr input, const ArchBuild& build) {
  const std::uint64_t groups = mamba2_groups(build.config);
  const std::uint64_t width = input->shape().elements() / groups;
  return reshaped(std::move(input), Shape{groups, width});
}

constexpr std::string_view kInner = "mamba_d_ssm|d_inner";
constexpr std::string_view kHeadDim = "mamba_d_head|mamba_head_dim|head_dim";

bool equal_bytes(const TensorExpr& a, const TensorExpr& b) {
  if (!(a.shape() == b.shape()) || a.dtype() != b.dtype()) return false;
  const std::uint64_t row = row_bytes(a.dtype(), a.shape().cols());
  const std::uint64_t at_once =
      std::max<std::uint64_t>(1, (std::uint64_t{1} << 20) / std::max<std::uint64_t>(row, 1));
  std::vector<std::byte> left(at_once * row);
  std::vector<std::byte> right(at_once * row);
  for (std::uint64_t first = 0; first < a.shape().rows(); first += at_once) {
    const std::uint64_t count = std::min(at_once, a.shape().rows() - first);
    const auto left_part = std::span(left).first(count * row);
    const auto right_part = std::span(right).first(count * row);
    a.read_rows(first, count, left_part);
    b.read_rows(first, count, right_part);
    if (!std::equal(left_part.begin(), left_part.end(), right_part.begin())) return false;
  }
  return true;
}

}  // namespace

std::vector<TensorRule> mamba_mixer(MixerNames names) {
  if (names == MixerNames::backbone) {
    return {
        {"backbone.layers.{L}.mixer.in_proj.{W}", "blk.{L}.ssm_in.{W}"},
        {"backbone.layers.{L}.mixer.conv1d.{W}", "blk.{L}.ssm_conv1d.{W}", squeezed},
        {"backbone.layers.{L}.mixer.x_proj.weight", "blk.{L}.ssm_x.weight"},
        {"backbone.layers.{L}.mixer.dt_proj.{W}", "blk.{L}.ssm_dt.{W}"},
        {"backbone.layers.{L}.mixer.A_log", "blk.{L}.ssm_a", decay_rates},
        {"backbone.layers.{L}.mixer.D", "blk.{L}.ssm_d"},
        {"backbone.layers.{L}.mixer.out_proj.{W}", "blk.{L}.ssm_out.{W}"},
    };
  }
  return {
      {"model.layers.{L}.mamba.in_proj.{W}", "blk.{L}.ssm_in.{W}"},
      {"model.layers.{L}.mamba.conv1d.{W}", "blk.{L}.ssm_conv1d.{W}", squeezed},
      {"model.layers.{L}.mamba.x_proj.weight", "blk.{L}.ssm_x.weight"},
      {"model.layers.{L}.mamba.dt_proj.{W}", "blk.{L}.ssm_dt.{W}"},
      {"model.layers.{L}.mamba.A_log", "blk.{L}.ssm_a", decay_rates},
      {"model.layers.{L}.mamba.D", "blk.{L}.ssm_d"},
      {"model.layers.{L}.mamba.out_proj.{W}", "blk.{L}.ssm_out.{W}"},
  };
}

std::vector<TensorRule> mamba2_mixer(MixerNames names) {
  if (names == MixerNames::backbone) {
    return {
        {"backbone.layers.{L}.mixer.in_proj.{W}", "blk.{L}.ssm_in.{W}"},
        {"backbone.layers.{L}.mixer.conv1d.{W}", "blk.{L}.ssm_conv1d.{W}", squeezed},
        {"backbone.layers.{L}.mixer.dt_bias", "blk.{L}.ssm_dt.bias"},
        {"backbone.layers.{L}.mixer.A_log", "blk.{L}.ssm_a", decay_rate_column},
        {"backbone.layers.{L}.mixer.D", "blk.{L}.ssm_d", as_column},
        {"backbone.layers.{L}.mixer.norm.weight", "blk.{L}.ssm_norm.weight", grouped_norm, "?"},
        {"backbone.layers.{L}.mixer.out_proj.{W}", "blk.{L}.ssm_out.{W}"},
    };
  }
  return {
      {"model.layers.{L}.mamba.in_proj.{W}", "blk.{L}.ssm_in.{W}"},
      {"model.layers.{L}.mamba.conv1d.{W}", "blk.{L}.ssm_conv1d.{W}", squeezed},
      {"model.layers.{L}.mamba.dt_bias", "blk.{L}.ssm_dt.bias"},
      {"model.layers.{L}.mamba.A_log", "blk.{L}.ssm_a", decay_rate_column},
      {"model.layers.{L}.mamba.D", "blk.{L}.ssm_d", as_column},
      {"model.layers.{L}.mamba.norm.weight", "blk.{L}.ssm_norm.weight", grouped_norm, "?"},
      {"model.layers.{L}.mamba.out_proj.{W}", "blk.{L}.ssm_out.{W}"},
  };
}

std::uint64_t mamba2_groups(const ModelConfig& config) {
  const std::uint64_t groups = config.uint("n_groups|mamba_n_groups").value_or(1);
  if (groups == 0) config.refuse("n_groups", "is 0");
  return groups;
}

std::uint64_t mamba2_inner_size(const ModelConfig& config) {
  if (const auto inner = config.uint(kInner)) return *inner;
  return config.uint("mamba_expand|expand").value_or(2) * config.hidden_size();
}

void emit_mamba2_sizes(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const auto set = [&](std::string_view key, std::uint64_t value) {
    build.set(key, static_cast<std::uint32_t>(value));
  };
  const std::uint64_t inner = mamba2_inner_size(config);
  const std::uint64_t head_dim = config.uint(kHeadDim).value_or(64);
  if (head_dim == 0 || inner % head_dim != 0) config.refuse("head_dim", "does not divide the inner size");
  set("ssm.conv_kernel", config.uint("conv_kernel|d_conv|mamba_d_conv").value_or(4));
  set("ssm.inner_size", inner);
  set("ssm.state_size", config.uint("state_size|d_state|mamba_d_state").value_or(128));
  set("ssm.time_step_rank", inner / head_dim);
  set("ssm.group_count", mamba2_groups(config));
}

void drop_repeated_output(ArchBuild& build) {
  const TensorExprPtr embedding = build.find_tensor("token_embd.weight");
  const TensorExprPtr output = build.find_tensor("output.weight");
  if (embedding == nullptr || output == nullptr || !equal_bytes(*embedding, *output)) return;
  std::vector<const TensorInfo*> inputs;
  output->collect_inputs(inputs);
  for (const TensorInfo* input : inputs) build.skipped.push_back(input->name + ": repeats the embedding");
  std::erase_if(build.tensors, [](const auto& tensor) { return tensor.first == "output.weight"; });
}

}  // namespace qtz::arch
