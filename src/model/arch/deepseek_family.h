// What models with DeepSeek's multi-head latent attention share.
#pragma once

#include <vector>

#include "qtz/model/arch_spec.h"

namespace qtz::arch {

/// Keys of DeepSeek 2: MLA written as attention with one wide key and value head.
std::vector<KeyRule> mla_keys();
/// nextn_predict_layers and the sizes of the indexer of sparse attention.
std::vector<KeyRule> sparse_attention_keys();
/// Attention with kv_b split into k_b (turned) and v_b; query with or without low rank.
std::vector<TensorRule> mla_attention();
/// The key part of kv_b, turned, and the value part, each by head.
TensorExprPtr mla_key_part(TensorExprPtr input, const ArchBuild& build);
TensorExprPtr mla_value_part(TensorExprPtr input, const ArchBuild& build);
/// Router with its correction bias, routed and shared experts, dense layers.
std::vector<TensorRule> mla_feed_forward();

/// llama.cpp sees one key and value head.
void one_kv_head(ModelConfig& config);
/// The same for models whose prediction layers are kept as further layers.
void one_kv_head_and_prediction_layers(ModelConfig& config);

/// The tensors of a kept prediction layer that ordinary layers lack.
std::vector<TensorRule> prediction_layer();
/// num_hidden_layers counts num_nextn_predict_layers in.
void count_prediction_layers(ModelConfig& config);

}  // namespace qtz::arch
