// What dense, MoE and hybrid Granite models share.
#pragma once

#include <vector>

#include "qtz/model/arch_spec.h"

namespace qtz::arch {

/// Llama's keys and the scales of embedding, attention, residual and logits.
std::vector<KeyRule> granite_keys();

/// Router, experts with gate and up in one matrix, and the shared MLP that some models have.
std::vector<TensorRule> granite_experts();

/// Granite's head size is always hidden size / heads, whatever head_dim says.
void ignore_head_dim(ModelConfig& config);

}  // namespace qtz::arch
