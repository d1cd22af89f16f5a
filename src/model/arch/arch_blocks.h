// What most architectures share: standard keys, and the tensor tables of a transformer in transformers'
// names. An architecture's file picks blocks and adds its own.
#pragma once

#include <initializer_list>
#include <vector>

#include "qtz/model/arch_spec.h"

namespace qtz::arch {

/// One list after another.
template <typename T>
std::vector<T> joined(std::initializer_list<std::vector<T>> parts) {
  std::vector<T> out;
  for (const std::vector<T>& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

/// Sizes, rope, epsilons, experts, head lengths: each from whatever the configuration calls it, when it is
/// there.
std::vector<KeyRule> standard_keys();
/// rope.scaling.*, rope.freq_base(_swa), rope.dimension_sections.
KeyRule rope_keys();
/// pooling_type of sentence-transformers folders (modules.json), nothing elsewhere.
KeyRule pooling_key();
/// "vocab_size" and "rope.dimension_count" = head_dim.
std::vector<KeyRule> vocabulary_and_rope_size();

/// embed_tokens, norm and (unless tied) lm_head.
std::vector<TensorRule> trunk();
/// q, k, v, o projections; with the norm before them; and with q and k rows in the order of llama.cpp's
/// interleaved rope.
std::vector<TensorRule> projections();
std::vector<TensorRule> attention();
std::vector<TensorRule> attention_permuted();
/// q_norm and k_norm per head.
std::vector<TensorRule> query_key_norms();
/// gate, up and down projections of a dense layer; the norm before them.
std::vector<TensorRule> gated_mlp();
std::vector<TensorRule> mlp_norm();
/// up and down projections without a gate.
std::vector<TensorRule> ungated_mlp();
/// mlp.gate and mlp.experts.*: one tensor per expert, or fused ones as transformers 5 can save them.
std::vector<TensorRule> experts();

/// Rows of a projection from [half, pair] to [pair, half] order within each head: the rope layout of
/// llama.cpp's "llama" family.
TensorExprPtr rope_query_rows(TensorExprPtr input, const ArchBuild& build);
TensorExprPtr rope_key_rows(TensorExprPtr input, const ArchBuild& build);
/// Rows grouped by head as [head, q/k/v, dim] to all of q, all of k, all of v.
TensorExprPtr fused_qkv_rows(TensorExprPtr input, const ArchBuild& build);
/// The same for rows grouped by key head: its queries, then the key, then the value.
TensorExprPtr grouped_qkv_rows(TensorExprPtr input, const ArchBuild& build);
/// A of state-space models, stored as the logarithm of its negative.
TensorExprPtr decay_rates(TensorExprPtr input, const ArchBuild& build);
/// [n] as [n, 1]; a tensor without its axes of length one.
TensorExprPtr as_column(TensorExprPtr input, const ArchBuild& build);
TensorExprPtr squeezed(TensorExprPtr input, const ArchBuild& build);
TensorExprPtr decay_rate_column(TensorExprPtr input, const ArchBuild& build);
TensorExprPtr plus_one(TensorExprPtr input, const ArchBuild& build);
TensorExprPtr transposed_weight(TensorExprPtr input, const ArchBuild& build);
/// First and second half of the axis before the last.
TensorExprPtr first_half(TensorExprPtr input, const ArchBuild& build);
TensorExprPtr second_half(TensorExprPtr input, const ArchBuild& build);

/// mlp.shared_experts.* (DeepSeek's name for them); layers may lack them.
std::vector<TensorRule> shared_experts();
/// A fused gate_up_proj that llama.cpp keeps fused as ffn_up, and down_proj.
std::vector<TensorRule> fused_gated_mlp();

/// The same rules for layers that choose an alternative ("mixer:attention"); rules with a need of their own
/// keep it.
std::vector<TensorRule> needed_as(std::string_view needed, std::vector<TensorRule> rules);

/// num_key_value_heads of configuration classes that take all heads where it is not given.
void fill_in_kv_heads(ModelConfig& config);

/// One boolean per layer: whether layer_types has `type` there.
std::vector<bool> layers_of_type(const ModelConfig& config, std::string_view type);

/// One float per layer from a scalar tensor "<source>" with {L}; empty when the model has none. Throws when
/// some layers lack it.
std::vector<float> scalar_per_layer(const ArchBuild& build, std::string_view source);

/// rope_factors_long.weight and rope_factors_short.weight from long_factor and short_factor; false when the
/// configuration has none.
bool add_long_rope_factors(ArchBuild& build, std::uint64_t rope_dims);

/// rope_freqs.weight for rope_type "llama3"; nothing for others.
void add_llama3_rope_factors(ArchBuild& build);

}  // namespace qtz::arch
