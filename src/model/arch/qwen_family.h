// What Qwen models with a gated shared expert, and those with linear attention, share.
#pragma once

#include <string>
#include <vector>

#include "qtz/model/arch_spec.h"

namespace qtz::arch {

/// mlp.shared_expert.* and its gate, in layers with experts.
std::vector<TensorRule> gated_shared_expert();

/// Heads of linear attention; values are a whole multiple of keys.
struct LinearHeads {
  std::uint64_t keys, values, key_dim, value_dim;
};
LinearHeads linear_heads(const ModelConfig& config);

/// ssm.*, full_attention_interval, rope.dimension_count, nextn_predict_layers.
std::vector<KeyRule> linear_attention_keys();
/// Norms, full attention, and of linear attention what both generations store alike. Norms are shifted by
/// one.
std::vector<TensorRule> hybrid_attention();
std::vector<TensorRule> shifted_trunk();
std::vector<TensorRule> qwen_prediction_layer();

/// Names without the "thinker." of models that also talk.
std::string without_thinker(std::string name, const ModelConfig& config);
/// n_deepstack_layers, and rope.dimension_sections where the configuration leaves them to the class.
std::vector<KeyRule> deepstack_keys();

/// Prediction layers ("mtp.layers.N") are counted as further layers, and renamed to them.
void count_mtp_layers(ArchSpec& spec, ModelConfig& config, const TensorSource& source);
std::string rename_mtp(std::string name, const ModelConfig& config);

}  // namespace qtz::arch
