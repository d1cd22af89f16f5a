// Qwen 3 Next: linear attention in three of four layers, its q, k, v and z fused head by head; experts with a
// gated shared one; norms stored as their difference from one; prediction layers are kept.
#include <algorithm>

#include "model/arch/arch_blocks.h"
#include "model/arch/architectures.h"
#include "model/arch/qwen_family.h"
#include "model/tensor_ops.h"

namespace qtz::arch {

namespace {

void emit_linear_attention(ArchBuild& build) {
  const ModelConfig& config = build.config;
  const auto set = [&](std::string_view key, std::uint64_t value) {
    build.set(key, static_cast<std::uint32_t>(value));
  };
  const LinearHeads heads = linear_heads(config);
  set("ssm.conv_kernel", config.need_uint("linear_conv_kernel_dim"));
  set("ssm.state_size", heads.key_dim);
  set("ssm.group_count", heads.keys);
  set("ssm.time_step_rank", heads.values);
  set("ssm.inner_size", heads.value_dim * heads.values);
  set("full_attention_interval", config.uint("full_attention_interval").value_or(4));
  const double part = config.rope_number(config.rope(), "partial_rotary_factor").value_or(0.25);
  set("rope.dimension_count", static_cast<std::uint64_t>(static_cast<double>(config.head_dim()) * part));
  const auto predicted = config.uint("prediction_layers").value_or(0);
  if (predicted > 0) set("nextn_predict_layers", predicted);
}

/// Rows [head, q k v z] to the parts of all heads one after another.
std::vector<TensorExprPtr> parts_of_qkvz(TensorExprPtr input, const ArchBuild& build) {
  const LinearHeads heads = linear_heads(build.config);
  const std::uint64_t values = heads.values / heads.keys * heads.value_dim;
  const std::uint64_t sizes[] = {heads.key_dim, heads.key_dim, values, values};
  const std::uint64_t cols = input->shape().cols();
  const TensorExprPtr by_head =
      reshaped(std::move(input), Shape{heads.keys, 2 * heads.key_dim + 2 * values, cols});
  std::vector<TensorExprPtr> parts;
  std::uint64_t begin = 0;
  for (const std::uint64_t size : sizes) {
    parts.push_back(reshaped(sliced(by_head, 1, begin, size), Shape{heads.keys * size, cols}));
    begin += size;
  }
  return parts;
}

TensorExprPtr query_key_value(TensorExprPtr input, const ArchBuild& build) {
  std::vector<TensorExprPtr> parts = parts_of_qkvz(std::move(input), build);
  parts.pop_back();
  return concatenated(std::move(parts));
}

TensorExprPtr output_gate(TensorExprPtr input, const ArchBuild& build) {
  return parts_of_qkvz(std::move(input), build).back();
}

}  // namespace

LinearHeads linear_heads(const ModelConfig& config) {
  const LinearHeads heads{config.need_uint("linear_num_key_heads"),
                          config.need_uint("linear_num_value_heads"), config.need_uint("linear_key_head_dim"),
                          config.need_uint("linear_value_head_dim")};
  if (heads.keys == 0 || heads.values % heads.keys != 0) {
    config.refuse("linear_num_key_heads", "does not divide linear_num_value_heads");
  }
  return heads;
}

std::vector<KeyRule> linear_attention_keys() {
  return {computed_keys(emit_linear_attention)};
}

std::vector<TensorRule> hybrid_attention() {
  return joined<TensorRule>({
      {
          {"model.layers.{L}.input_layernorm.weight", "blk.{L}.attn_norm.weight", plus_one},
          {"model.layers.{L}.post_attention_layernorm.weight", "blk.{L}.post_attention_norm.weight",
           plus_one},
      },
      needed_as("mixer:attention", projections()),
      needed_as("mixer:attention",
                {
                    {"model.layers.{L}.self_attn.q_norm.weight", "blk.{L}.attn_q_norm.weight", plus_one},
                    {"model.layers.{L}.self_attn.k_norm.weight", "blk.{L}.attn_k_norm.weight", plus_one},
                }),
      needed_as("mixer:linear",
                {
                    {"model.layers.{L}.linear_attn.A_log", "blk.{L}.ssm_a", decay_rates},
                    {"model.layers.{L}.linear_attn.dt_bias", "blk.{L}.ssm_dt.bias"},
                    {"model.layers.{L}.linear_attn.conv1d.weight", "blk.{L}.ssm_conv1d.weight", squeezed},
                    {"model.layers.{L}.linear_attn.norm.weight", "blk.{L}.ssm_norm.weight"},
                    {"model.layers.{L}.linear_attn.out_proj.weight", "blk.{L}.ssm_out.weight"},
                }),
  });
}

std::vector<TensorRule> shifted_trunk() {
  std::vector<TensorRule> rules = trunk();
  rules[1].transform = plus_one;
  return rules;
}

std::vector<TensorRule> qwen_prediction_layer() {
  return {
      {"model.layers.{L}.eh_proj.weight", "blk.{L}.nextn.eh_proj.weight", nullptr, "?"},
      {"model.layers.{L}.enorm.weight", "blk.{L}.nextn.enorm.weight", plus_one, "?"},
      {"model.layers.{L}.hnorm.weight", "blk.{L}.nextn.hnorm.weight", plus_one, "?"},
      {"model.layers.{L}.shared_head.norm.weight", "blk.{L}.nextn.shared_head_norm.weight", plus_one, "?"},
  };
}

void count_mtp_layers(ArchSpec&, ModelConfig& config, const TensorSource& source) {
  std::uint64_t layers = 0;
  for (const TensorInfo& tensor : source.tensors()) {
    const auto at = tensor.name.find("mtp.layers.");
    if (at == std::string::npos) continue;
    std::uint64_t number = 0;
    for (std::size_t i = at + std::string_view("mtp.layers.").size();
         i < tensor.name.size() && tensor.name[i] >= '0' && tensor.name[i] <= '9' && number < 1000; ++i) {
      number = number * 10 + static_cast<std::uint64_t>(tensor.name[i] - '0');
    }
    layers = std::max(layers, number + 1);
  }
  if (source.tensors().empty()) layers = config.uint("mtp_num_hidden_layers").value_or(0);
  if (layers == 0) return;
  if (layers > 16)
    config.refuse("mtp_num_hidden_layers", "has weights for " + std::to_string(layers) + " layers");
  config.set("trunk_layers", config.block_count());
  config.set("prediction_layers", layers);
  config.set("num_hidden_layers", config.block_count() + layers);
}

std::string rename_mtp(std::string name, const ModelConfig& config) {
  std::string_view rest = name;
  if (rest.starts_with("model.mtp.")) rest.remove_prefix(std::string_view("model.").size());
  if (!rest.starts_with("mtp.") || !config.has("trunk_layers")) return name;
  rest.remove_prefix(std::string_view("mtp.").size());
  const std::uint64_t trunk = config.need_uint("trunk_layers");
  constexpr std::string_view kLayers = "layers.";
  if (rest.starts_with(kLayers)) {
    rest.remove_prefix(kLayers.size());
    std::uint64_t number = 0;
    while (!rest.empty() && rest[0] >= '0' && rest[0] <= '9' && number < 1000) {
      number = number * 10 + static_cast<std::uint64_t>(rest[0] - '0');
      rest.remove_prefix(1);
    }
    return "model.layers." + std::to_string(trunk + number) + std::string(rest);
  }
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"fc.", "eh_proj."},
      {"pre_fc_norm_embedding.", "enorm."},
      {"pre_fc_norm_hidden.", "hnorm."},
      {"norm.", "shared_head.norm."},
  };
  for (const auto& [from, to] : kNames) {
    if (!rest.starts_with(from)) continue;
    rest.remove_prefix(from.size());
    return "model.layers." + std::to_string(trunk) + "." + std::string(to) + std::string(rest);
  }
  return name;
}

ArchSpec qwen3_next() {
  ArchSpec spec = qwen2_moe();
  spec.classes = {"Qwen3NextForCausalLM"};
  spec.gguf_name = "qwen3next";
  spec.defaults = R"({"rms_norm_eps": 1e-6, "rope_theta": 10000.0, "max_position_embeddings": 32768,
                      "head_dim": 256, "linear_conv_kernel_dim": 4})";
  spec.keys = joined<KeyRule>({spec.keys, linear_attention_keys()});
  spec.tensors = joined<TensorRule>({
      shifted_trunk(),
      hybrid_attention(),
      needed_as(
          "mixer:linear",
          {
              {"model.layers.{L}.linear_attn.in_proj_qkvz.weight", "blk.{L}.attn_qkv.weight",
               query_key_value},
              {"model.layers.{L}.linear_attn.in_proj_qkvz.weight", "blk.{L}.attn_gate.weight", output_gate},
              {"model.layers.{L}.linear_attn.in_proj_ba.weight", "blk.{L}.ssm_ba.weight"},
          }),
      experts(),
      gated_shared_expert(),
      gated_mlp(),
      qwen_prediction_layer(),
  });
  spec.parts = {};
  spec.prediction = {.keep = true, .drop = true, .only = true};
  spec.adapt = count_mtp_layers;
  spec.rename = rename_mtp;
  return spec;
}

}  // namespace qtz::arch
