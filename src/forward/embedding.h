// States before the first layer: rows of the embedding, scaled, with positions and a norm where there are
// some.
#pragma once

#include "forward/graph.h"
#include "forward/weights.h"
#include "qtz/forward/decoder.h"

namespace qtz {

/// The graph, the weights and the token must outlive it.
class Embedding {
 public:
  Embedding(const Graph& graph, const Weights& weights, unsigned threads, const CancelToken& cancel);

  /// [batch.size(), width]. Throws input_invalid for tokens and positions beyond the rows that there are.
  Matrix rows_of(const Batch& batch) const;

 private:
  void add_positions(const Batch& batch, Matrix& state) const;

  const Graph& graph_;
  const Weights& weights_;
  unsigned threads_;
  const CancelToken& cancel_;
  Matrix positions_;
  std::vector<float> norm_weight_, norm_bias_;
};

}  // namespace qtz
