// The matrices of a hub folder that are quantized one by one, and what the forward pass calls them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "qtz/model/gguf_model.h"

namespace qtz {

/// A stored matrix [outputs, inputs] that activations are multiplied with.
struct LinearModule {
  std::string name;          ///< "model.layers.0.self_attn.q_proj"
  const TensorInfo* weight;  ///< "model.layers.0.self_attn.q_proj.weight"
  std::string tensor;        ///< of the GGUF model, into which the same activations go: "blk.0.attn_q.weight"
  std::uint64_t expert = 0;  ///< which of the tensor's
  std::uint64_t experts = 1;
  bool is_output = false;  ///< the language model's head

  std::uint64_t rows() const noexcept { return weight->shape.rows(); }
  std::uint64_t cols() const noexcept { return weight->shape.cols(); }
};

struct LinearModules {
  std::vector<LinearModule> found;  ///< in the order of the model's tensors
  /// Matrices of layers that are not taken one by one, and why: "name: why". Stored transposed, or those of
  /// all experts in one.
  std::vector<std::string> unfit;
};

/// The linear modules of a model that was opened from a folder: matrices of its layers, and its head, but no
/// routers and nothing else that is never quantized.
LinearModules find_linear_modules(const GgufModel& model);

}  // namespace qtz
