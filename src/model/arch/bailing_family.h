// What both generations of Ling share.
#pragma once

#include <vector>

#include "qtz/model/arch_spec.h"

namespace qtz::arch {

/// leading_dense_block_count, vocab_size, sizes and number of experts, expert_weights_norm.
std::vector<KeyRule> bailing_expert_keys();
/// word_embeddings, norm and lm_head.
std::vector<TensorRule> bailing_trunk();

/// Outputs normalized when the model runs would have to be computed; no published model has them.
void refuse_normalized_output(const ModelConfig& config);

}  // namespace qtz::arch
