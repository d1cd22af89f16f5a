#include "model/arch/arch_blocks.h"

#include "model/name_pattern.h"
#include "model/quantized/checkpoint_tensors.h"
#include "model/tensor_ops.h"
#include "qtz/core/error.h"

namespace qtz::arch {

namespace {

/// Rows that merely divide into the heads would be put in a wrong order: they must be exactly theirs.
TensorExprPtr rope_rows(TensorExprPtr input, std::uint64_t heads, std::string_view field,
                        const ArchBuild& build) {
  const std::uint64_t rows = input->shape().rank() == 0 ? 0 : input->shape()[0];
  const std::uint64_t dim = build.config.head_dim();
  if (heads == 0 || dim % 2 != 0 || rows % heads != 0 || rows / heads != dim) {
    throw Error(ErrorKind::input_invalid,
                build.config.where() + ": " + describe(*input) + " does not divide into " +
                    std::to_string(heads) + " heads ('" + std::string(field) + "') of " +
                    std::to_string(dim) + " rows",
                "check that config.json belongs to these weights");
  }
  return swapped_groups(std::move(input), 0, heads, 2, rows / heads / 2);
}

TensorExprPtr half(TensorExprPtr input, bool second) {
  const std::size_t rank = input->shape().rank();
  if (rank < 2 || input->shape()[rank - 2] % 2 != 0) {
    throw Error(ErrorKind::input_invalid, describe(*input) + " does not divide into gate and up halves",
                "check that config.json belongs to these weights");
  }
  const std::uint64_t rows = input->shape()[rank - 2] / 2;
  return sliced(std::move(input), rank - 2, second ? rows : 0, rows);
}

}  // namespace

std::vector<TensorRule> trunk() {
  return {
      {"model.embed_tokens.weight", "token_embd.weight"},
      {"model.norm.{W}", "output_norm.{W}"},
      {"lm_head.{W}", "output.{W}", nullptr, "?"},
  };
}

std::vector<TensorRule> projections() {
  return {
      {"model.layers.{L}.self_attn.q_proj.{W}", "blk.{L}.attn_q.{W}"},
      {"model.layers.{L}.self_attn.k_proj.{W}", "blk.{L}.attn_k.{W}"},
      {"model.layers.{L}.self_attn.v_proj.{W}", "blk.{L}.attn_v.{W}"},
      {"model.layers.{L}.self_attn.o_proj.{W}", "blk.{L}.attn_output.{W}"},
  };
}

std::vector<TensorRule> attention() {
  return joined<TensorRule>(
      {{{"model.layers.{L}.input_layernorm.{W}", "blk.{L}.attn_norm.{W}"}}, projections()});
}

std::vector<TensorRule> attention_permuted() {
  std::vector<TensorRule> rules = attention();
  rules[1].transform = rope_query_rows;
  rules[2].transform = rope_key_rows;
  return rules;
}

std::vector<TensorRule> query_key_norms() {
  return {
      {"model.layers.{L}.self_attn.q_norm.{W}", "blk.{L}.attn_q_norm.{W}"},
      {"model.layers.{L}.self_attn.k_norm.{W}", "blk.{L}.attn_k_norm.{W}"},
  };
}

std::vector<TensorRule> mlp_norm() {
  return {{"model.layers.{L}.post_attention_layernorm.{W}", "blk.{L}.ffn_norm.{W}"}};
}

std::vector<TensorRule> gated_mlp() {
  return {
      {"model.layers.{L}.mlp.gate_proj.{W}", "blk.{L}.ffn_gate.{W}", nullptr, "ffn:dense"},
      {"model.layers.{L}.mlp.up_proj.{W}", "blk.{L}.ffn_up.{W}", nullptr, "ffn:dense"},
      {"model.layers.{L}.mlp.down_proj.{W}", "blk.{L}.ffn_down.{W}", nullptr, "ffn:dense"},
  };
}

std::vector<TensorRule> ungated_mlp() {
  return {
      {"model.layers.{L}.mlp.up_proj.{W}", "blk.{L}.ffn_up.{W}"},
      {"model.layers.{L}.mlp.down_proj.{W}", "blk.{L}.ffn_down.{W}"},
  };
}

std::vector<TensorRule> experts() {
  return {
      {"model.layers.{L}.mlp.gate.weight", "blk.{L}.ffn_gate_inp.weight", nullptr, "ffn:experts|ffn:fused"},
      {"model.layers.{L}.mlp.experts.{E}.gate_proj.weight", "blk.{L}.ffn_gate_exps.weight", nullptr,
       "ffn:experts"},
      {"model.layers.{L}.mlp.experts.{E}.up_proj.weight", "blk.{L}.ffn_up_exps.weight", nullptr,
       "ffn:experts"},
      {"model.layers.{L}.mlp.experts.{E}.down_proj.weight", "blk.{L}.ffn_down_exps.weight", nullptr,
       "ffn:experts"},
      {"model.layers.{L}.mlp.experts.gate_up_proj", "blk.{L}.ffn_gate_exps.weight", first_half, "ffn:fused"},
      {"model.layers.{L}.mlp.experts.gate_up_proj", "blk.{L}.ffn_up_exps.weight", second_half, "ffn:fused"},
      {"model.layers.{L}.mlp.experts.down_proj", "blk.{L}.ffn_down_exps.weight", nullptr, "ffn:fused"},
  };
}

std::vector<TensorRule> shared_experts() {
  return {
      {"model.layers.{L}.mlp.shared_experts.gate_proj.weight", "blk.{L}.ffn_gate_shexp.weight", nullptr, "?"},
      {"model.layers.{L}.mlp.shared_experts.up_proj.weight", "blk.{L}.ffn_up_shexp.weight", nullptr, "?"},
      {"model.layers.{L}.mlp.shared_experts.down_proj.weight", "blk.{L}.ffn_down_shexp.weight", nullptr, "?"},
  };
}

std::vector<TensorRule> fused_gated_mlp() {
  return {
      {"model.layers.{L}.mlp.gate_up_proj.{W}", "blk.{L}.ffn_up.{W}"},
      {"model.layers.{L}.mlp.down_proj.{W}", "blk.{L}.ffn_down.{W}"},
  };
}

std::vector<TensorRule> needed_as(std::string_view needed, std::vector<TensorRule> rules) {
  for (TensorRule& rule : rules) {
    if (rule.needed.empty()) rule.needed = needed;
  }
  return rules;
}

void fill_in_kv_heads(ModelConfig& config) {
  if (!config.has("num_key_value_heads")) config.set("num_key_value_heads", config.head_count());
}

std::vector<bool> layers_of_type(const ModelConfig& config, std::string_view type) {
  const std::vector<std::string> types = config.texts("layer_types");
  if (types.empty()) return {};
  if (types.size() != config.block_count()) {
    config.refuse("layer_types", "has " + std::to_string(types.size()) + " entries for " +
                                     std::to_string(config.block_count()) + " layers");
  }
  std::vector<bool> out;
  out.reserve(types.size());
  for (const std::string& entry : types) out.push_back(entry == type);
  return out;
}

std::vector<float> scalar_per_layer(const ArchBuild& build, std::string_view source) {
  std::vector<float> out;
  const std::uint64_t layers = build.config.block_count();
  for (std::uint64_t layer = 0; layer < layers; ++layer) {
    const TensorInfo* tensor = build.source.find(fill_name(source, NameMatch{layer, 0, {}}));
    if (tensor == nullptr) continue;
    if (tensor->shape.elements() != 1) {
      throw Error(
          ErrorKind::input_invalid,
          "tensor '" + printable(tensor->name) + "' " + tensor->shape.to_string() + " is not a single value",
          "check that config.json belongs to these weights");
    }
    out.push_back(read_floats(*build.source.expression(*tensor)).front());
  }
  if (!out.empty() && out.size() != layers) {
    throw Error(ErrorKind::input_invalid,
                "only " + std::to_string(out.size()) + " of " + std::to_string(layers) + " layers have '" +
                    std::string(source) + "'",
                "download the model again, or check that config.json belongs to these weights");
  }
  return out;
}

TensorExprPtr rope_query_rows(TensorExprPtr input, const ArchBuild& build) {
  return rope_rows(std::move(input), build.config.head_count(), "num_attention_heads", build);
}

TensorExprPtr rope_key_rows(TensorExprPtr input, const ArchBuild& build) {
  return rope_rows(std::move(input), build.config.kv_head_count(), "num_key_value_heads", build);
}

TensorExprPtr fused_qkv_rows(TensorExprPtr input, const ArchBuild& build) {
  return swapped_groups(std::move(input), 0, 1, build.config.head_count(), 3);
}

TensorExprPtr grouped_qkv_rows(TensorExprPtr input, const ArchBuild& build) {
  const std::uint64_t groups = build.config.kv_head_count();
  const std::uint64_t queries = build.config.head_count() / groups;
  const std::uint64_t rows = input->shape().rank() == 2 ? input->shape()[0] : 0;
  if (rows == 0 || rows % (groups * (queries + 2)) != 0) {
    throw Error(ErrorKind::input_invalid,
                build.config.where() + ": " + describe(*input) + " does not divide into " +
                    std::to_string(groups) + " groups of " + std::to_string(queries) +
                    " queries, a key and a value",
                "check that config.json belongs to these weights");
  }
  const std::uint64_t dim = rows / groups / (queries + 2);
  const std::uint64_t cols = input->shape()[1];
  input = reshaped(std::move(input), Shape{groups, queries + 2, dim, cols});
  const auto part = [&](std::uint64_t first, std::uint64_t count) {
    return reshaped(sliced(input, 1, first, count), Shape{groups * count * dim, cols});
  };
  return concatenated({part(0, queries), part(queries, 1), part(queries + 1, 1)});
}

TensorExprPtr decay_rates(TensorExprPtr input, const ArchBuild&) {
  return negative_exp(std::move(input));
}

TensorExprPtr as_column(TensorExprPtr input, const ArchBuild&) {
  const std::uint64_t count = input->shape().elements();
  return reshaped(std::move(input), Shape{count, 1});
}

TensorExprPtr decay_rate_column(TensorExprPtr input, const ArchBuild& build) {
  return as_column(negative_exp(std::move(input)), build);
}

TensorExprPtr squeezed(TensorExprPtr input, const ArchBuild&) {
  std::vector<std::uint64_t> dims;
  for (const std::uint64_t dim : input->shape().dims()) {
    if (dim != 1) dims.push_back(dim);
  }
  return reshaped(std::move(input), Shape(std::move(dims)));
}

TensorExprPtr plus_one(TensorExprPtr input, const ArchBuild&) {
  return plus(std::move(input), 1.0F);
}

TensorExprPtr transposed_weight(TensorExprPtr input, const ArchBuild&) {
  // {W} brings biases along; they have nothing to turn.
  return input->shape().rank() < 2 ? input : transposed(std::move(input));
}

TensorExprPtr first_half(TensorExprPtr input, const ArchBuild&) {
  return half(std::move(input), false);
}

TensorExprPtr second_half(TensorExprPtr input, const ArchBuild&) {
  return half(std::move(input), true);
}

}  // namespace qtz::arch
