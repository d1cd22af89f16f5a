// The MLP: dense, or a mixture of experts with or without shared ones.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "forward/elementwise.h"
#include "forward/layer_run.h"
#include "qtz/core/error.h"

namespace qtz {

namespace {

MlpWeights read_mlp(const LayerRun& run, std::string_view suffix) {
  const auto matrix = [&](std::string_view part) -> const Matrix& {
    return run.weights.read_if(run.name(part) + std::string(suffix) + ".weight");
  };
  const auto bias = [&](std::string_view part, std::uint64_t length) -> const std::vector<float>& {
    return run.weights.vector_if(run.name(part) + std::string(suffix) + ".bias", length);
  };
  const Matrix& gate = matrix("ffn_gate");
  const Matrix& up = matrix("ffn_up");
  const Matrix& down = matrix("ffn_down");
  return {gate,  up, down, bias("ffn_gate", gate.rows), bias("ffn_up", up.rows), bias("ffn_down", down.rows),
          suffix};
}

/// The expert's part of a tensor with one matrix for each.
const Matrix& read_expert(const LayerRun& run, std::string_view part, std::uint64_t expert,
                          std::uint64_t experts) {
  const std::string name = run.name(part) + ".weight";
  if (!run.weights.has(name)) return run.weights.read_if(name);
  const Shape& shape = run.weights.shape(name);
  if (shape.rank() != 3 || shape[0] != experts) {
    throw Error(ErrorKind::input_invalid, "tensor '" + name + "' " + shape.to_string() +
                                              " is not one matrix for each of " + std::to_string(experts) +
                                              " experts");
  }
  return run.weights.read_rows(name, expert * shape[1], shape[1]);
}

const std::vector<float>& read_expert_bias(const LayerRun& run, std::string_view part, std::uint64_t expert) {
  const std::string name = run.name(part) + ".bias";
  if (run.weights.has(name) && run.weights.shape(name).rows() <= expert) {
    throw Error(ErrorKind::input_invalid, "tensor '" + name + "' " + run.weights.shape(name).to_string() +
                                              " has no row for expert " + std::to_string(expert));
  }
  return run.weights.has(name) ? run.weights.read_rows(name, expert, 1).values
                               : run.weights.read_if(name).values;
}

/// A token that an expert works on, and how much its output counts.
struct Share {
  std::uint64_t token;
  float weight;
};

/// Indices of the `count` largest scores, largest first; of equal ones the first.
std::vector<std::uint64_t> largest(std::span<const float> scores, std::uint64_t count) {
  std::vector<std::uint64_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::uint64_t{0});
  count = std::min<std::uint64_t>(count, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                    [&](std::uint64_t a, std::uint64_t b) {
                      return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
                    });
  order.resize(count);
  return order;
}

void softmax(std::span<float> values) {
  const float top = *std::max_element(values.begin(), values.end());
  double sum = 0.0;
  for (float& value : values) {
    value = std::exp(value - top);
    sum += static_cast<double>(value);
  }
  for (float& value : values) value = static_cast<float>(static_cast<double>(value) / sum);
}

/// Leaves the best groups of experts; a group is as good as its two best together.
void drop_groups(const Graph& graph, std::span<float> scores) {
  const std::uint64_t groups = graph.expert_groups;
  if (groups <= 1 || graph.expert_groups_used >= groups || scores.size() % groups != 0) return;
  const std::uint64_t size = scores.size() / groups;
  std::vector<float> group_scores;
  for (std::uint64_t group = 0; group < groups; ++group) {
    const std::span<const float> own = scores.subspan(group * size, size);
    float sum = 0.0f;
    for (const std::uint64_t best : largest(own, 2)) sum += own[best];
    group_scores.push_back(sum);
  }
  std::vector<bool> kept(groups, false);
  for (const std::uint64_t group : largest(group_scores, graph.expert_groups_used)) kept[group] = true;
  for (std::uint64_t i = 0; i < scores.size(); ++i) {
    if (!kept[i / size]) scores[i] = -std::numeric_limits<float>::infinity();
  }
}

/// Which experts a token goes to, by the router's logits, which are changed.
void choose(const Graph& graph, std::span<float> logits, std::span<const float> bias, std::uint64_t token,
            std::vector<std::vector<Share>>& shares) {
  const Routing routing = graph.biased_is_sigmoid && !bias.empty() ? Routing::sigmoid : graph.routing;
  if (routing == Routing::softmax) softmax(logits);
  if (routing == Routing::sigmoid) {
    for (float& logit : logits) logit = sigmoid(logit);
  }
  std::vector<float> scores(logits.begin(), logits.end());
  for (std::size_t i = 0; i < bias.size(); ++i) scores[i] += bias[i];
  drop_groups(graph, scores);
  const std::vector<std::uint64_t> chosen = largest(scores, graph.experts_used);
  std::vector<float> weights;
  for (const std::uint64_t expert : chosen) weights.push_back(logits[expert]);
  if (routing == Routing::softmax_of_chosen) {
    softmax(weights);
  } else if (graph.normalized_experts) {
    const float sum = std::accumulate(weights.begin(), weights.end(), 0.0f);
    for (float& weight : weights) weight /= sum;
  }
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    shares[chosen[i]].push_back({token, weights[i] * static_cast<float>(graph.expert_scale)});
  }
}

MlpWeights read_expert_mlp(const LayerRun& run, std::uint64_t expert, std::uint64_t experts) {
  const bool fused = !run.has("ffn_up_exps");
  return {read_expert(run, "ffn_gate_exps", expert, experts),
          read_expert(run, fused ? "ffn_gate_up_exps" : "ffn_up_exps", expert, experts),
          read_expert(run, "ffn_down_exps", expert, experts),
          read_expert_bias(run, "ffn_gate_exps", expert),
          read_expert_bias(run, fused ? "ffn_gate_up_exps" : "ffn_up_exps", expert),
          read_expert_bias(run, "ffn_down_exps", expert),
          "_exps",
          fused ? "ffn_gate_up" : "ffn_up",
          expert,
          experts};
}

/// Done with an expert's matrices for this piece of the batch.
void give_back_expert(const LayerRun& run, std::uint64_t expert) {
  for (const std::string_view part : {"ffn_gate_exps", "ffn_up_exps", "ffn_gate_up_exps", "ffn_down_exps"}) {
    const std::string name = run.name(part) + ".weight";
    if (run.weights.has(name)) run.weights.give_back(name, expert * run.weights.shape(name)[1]);
  }
}

/// What gates are above a threshold, so many deviations above a token's mean; 0 for those below it.
void open_few(const LayerRun& run, double deviations, Matrix& gates) {
  for_row_pieces(run, gates.rows, [&](std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t r = first; r < first + count; ++r) {
      const std::span<float> row(gates.row(r), gates.cols);
      double mean = 0.0;
      double square = 0.0;
      for (const float x : row) mean += static_cast<double>(x) / static_cast<double>(row.size());
      for (const float x : row) square += (static_cast<double>(x) - mean) * (static_cast<double>(x) - mean);
      const double threshold = mean + deviations * std::sqrt(square / static_cast<double>(row.size()));
      for (float& x : row) x = std::max(0.0f, static_cast<float>(static_cast<double>(x) - threshold));
    }
  });
}

void add_shared_experts(const LayerRun& run, const Matrix& in, Matrix& out) {
  if (!run.has("ffn_up_shexp")) return;
  const Matrix shared = run_mlp(run, read_mlp(run, "_shexp"), in);
  Matrix gates;
  if (run.has("ffn_gate_inp_shexp")) gates = linear(run, "ffn_gate_inp_shexp", in);
  if (gates.cols > 1) {
    throw Error(ErrorKind::input_invalid, "layer " + std::to_string(run.layer) + "'s shared experts have " +
                                              std::to_string(gates.cols) + " gates");
  }
  for_row_pieces(run, out.rows, [&](std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t r = first; r < first + count; ++r) {
      const float gate = gates.empty() ? 1.0f : sigmoid(gates.values[r]);
      for (std::uint64_t c = 0; c < out.cols; ++c) out.row(r)[c] += gate * shared.row(r)[c];
    }
  });
}

}  // namespace

Matrix run_mlp(const LayerRun& run, const MlpWeights& mlp, const Matrix& in) {
  const Graph& graph = run.graph;
  const Xielu& xielu = run.own().xielu;
  const auto limit = static_cast<float>(mlp.suffix == "_exps" ? run.own().expert_limit : run.own().mlp_limit);
  const auto collect = [&](std::string_view part, const Matrix& input) {
    run.collect(std::string(part) + std::string(mlp.suffix), input, mlp.expert, mlp.experts);
  };
  collect(mlp.up_name, in);
  if (!mlp.gate.empty()) collect("ffn_gate", in);
  Matrix up = product(run, in, mlp.up, mlp.up_bias);
  Matrix gate = mlp.gate.empty() ? Matrix{} : product(run, in, mlp.gate, mlp.gate_bias);
  if (mlp.suffix.empty() && run.own().gate_threshold) open_few(run, *run.own().gate_threshold, gate);
  const bool fused = gate.empty() && up.cols == 2 * mlp.down.cols;
  const bool fits = fused || (up.cols == mlp.down.cols && (gate.empty() || gate.cols == up.cols));
  Matrix inner{up.rows, mlp.down.cols, std::vector<float>(up.rows * mlp.down.cols)};
  if (!fits || mlp.down.rows != in.cols) {
    throw Error(ErrorKind::input_invalid, "layer " + std::to_string(run.layer) + "'s MLP widens to " +
                                              std::to_string(up.cols) + ", narrows from " +
                                              std::to_string(inner.cols) + " and gives " +
                                              std::to_string(mlp.down.rows));
  }
  for_row_pieces(run, inner.rows, [&](std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t r = first; r < first + count; ++r) {
      const float* gates = fused ? up.row(r) : gate.empty() ? nullptr : gate.row(r);
      const float* ups = fused ? up.row(r) + inner.cols : up.row(r);
      for (std::uint64_t c = 0; c < inner.cols; ++c) {
        inner.row(r)[c] = gates == nullptr ? activated(graph.activation, xielu, ups[c])
                          : limit > 0.0f   ? std::min(activated(graph.activation, xielu, gates[c]), limit) *
                                               std::clamp(ups[c], -limit, limit)
                                         : gated(graph.activation, xielu, gates[c], ups[c]);
      }
    }
  });
  if (mlp.suffix.empty() && run.has("ffn_sub_norm")) inner = normed(run, "ffn_sub_norm", inner);
  collect("ffn_down", inner);
  return product(run, inner, mlp.down, mlp.down_bias);
}

Matrix mix_experts(const LayerRun& run, const Matrix& in, const Matrix& routed) {
  Matrix logits = linear(run, "ffn_gate_inp", routed);
  const std::uint64_t experts = logits.cols;
  if (run.graph.experts_used == 0 || run.graph.experts_used > experts) {
    throw Error(ErrorKind::input_invalid, "the model uses " + std::to_string(run.graph.experts_used) +
                                              " of " + std::to_string(experts) + " experts");
  }
  const std::vector<float>& bias = run.weights.vector_if(run.name("exp_probs_b") + ".bias", experts);
  std::vector<std::vector<Share>> shares(experts);
  for (std::uint64_t token = 0; token < logits.rows; ++token) {
    choose(run.graph, {logits.row(token), experts}, bias, token, shares);
  }
  Matrix out{in.rows, in.cols, std::vector<float>(in.values.size(), 0.0f)};
  // One expert after the other, so that a token's sum is always added up in the same order.
  for (std::uint64_t expert = 0; expert < experts; ++expert) {
    const std::vector<Share>& own = shares[expert];
    if (own.empty()) continue;
    Matrix part{own.size(), in.cols, std::vector<float>(own.size() * in.cols)};
    for (std::size_t i = 0; i < own.size(); ++i) std::copy_n(in.row(own[i].token), in.cols, part.row(i));
    if (run.graph.weighs_inputs) {
      for (std::size_t i = 0; i < own.size(); ++i) {
        for (std::uint64_t c = 0; c < part.cols; ++c) part.row(i)[c] *= own[i].weight;
      }
    }
    const Matrix result = run_mlp(run, read_expert_mlp(run, expert, experts), part);
    give_back_expert(run, expert);
    for_row_pieces(run, own.size(), [&](std::uint64_t first, std::uint64_t count) {
      for (std::uint64_t i = first; i < first + count; ++i) {
        float* row = out.row(own[i].token);
        const float weight = run.graph.weighs_inputs ? 1.0f : own[i].weight;
        for (std::uint64_t c = 0; c < out.cols; ++c) row[c] += weight * result.row(i)[c];
      }
    });
  }
  add_shared_experts(run, in, out);
  return out;
}

Matrix feed_forward(const LayerRun& run, const Matrix& in, const Matrix& routed) {
  const bool experts_are_beside = run.has("ffn_norm_exps") || run.has("pre_ffw_norm_2");
  if (run.has("ffn_gate_inp") && !experts_are_beside) return mix_experts(run, in, routed);
  return run_mlp(run, read_mlp(run, ""), in);
}

}  // namespace qtz
