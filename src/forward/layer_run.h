// The parts of one layer. Each takes states that are normed already, [tokens, width], and gives what is added
// to the residual stream.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "forward/graph.h"
#include "forward/weights.h"
#include "qtz/forward/activation_observer.h"
#include "qtz/forward/decoder.h"

namespace qtz {

/// What all parts need. Threads split rows, heads and experts' rows, never sums.
struct LayerRun {
  const Graph& graph;
  LayerWeights& weights;
  const Batch& batch;
  Matrix& states;  ///< all that goes with the tokens from layer to layer, [tokens, graph.state_width]
  std::uint64_t layer;
  unsigned threads;
  const CancelToken& cancel;
  ActivationObserver* observer = nullptr;  ///< is told what goes into each matrix; null: nobody is

  const LayerGraph& own() const { return graph.layers[layer]; }
  /// "blk.3.attn_q" for "attn_q"
  std::string name(std::string_view part) const {
    return "blk." + std::to_string(layer) + "." + std::string(part);
  }
  bool has(std::string_view part) const { return weights.has(name(part) + ".weight"); }
  /// Tells what goes into "<part>.weight", or into the matrix of one of its `experts`. A matrix that was read
  /// already is read anew where it is another one after that.
  void collect(std::string_view part, const Matrix& in, std::uint64_t expert = 0,
               std::uint64_t experts = 1) const {
    if (observer == nullptr) return;
    const std::string tensor = name(part) + ".weight";
    const InputRows rows{in.values.data(), in.rows, in.cols};
    if (observer->add(tensor, rows, expert, experts, threads, cancel)) weights.read_anew(tensor);
  }
};

/// Calls fn(first, count) for pieces of `rows` rows, on all threads.
void for_row_pieces(const LayerRun& run, std::uint64_t rows,
                    const std::function<void(std::uint64_t first, std::uint64_t count)>& fn);

/// in * weight^T + bias of "<part>.weight" and, where there is one, "<part>.bias".
Matrix linear(const LayerRun& run, std::string_view part, const Matrix& in);

/// The norm "<part>" of every row, in a copy.
Matrix normed(const LayerRun& run, std::string_view part, const Matrix& in);

/// Position of each token in its text.
std::vector<std::uint64_t> positions_of(const Batch& batch);

/// Every channel's sum over a token and those before it, weighted by the channel's row of "<part>.weight",
/// with
/// "<part>.bias" where there is one.
Matrix convolve(const LayerRun& run, std::string_view part, const Matrix& in);

/// function(x) in the place of every element.
void apply(const LayerRun& run, Matrix& matrix, float (*function)(float) noexcept);
/// Every element times function(gate).
void multiply_by(const LayerRun& run, const Matrix& gates, float (*function)(float) noexcept, Matrix& to);

/// The elements of "<part>", a tensor whose name has no ending. Throws input_invalid unless there are
/// `count`.
const std::vector<float>& numbers(const LayerRun& run, std::string_view part, std::uint64_t count);

/// `count` columns from `first`, in a matrix of their own.
Matrix columns(const LayerRun& run, const Matrix& in, std::uint64_t first, std::uint64_t count);

/// The other way: all columns of `from` in the place of those from `first`.
void put_columns(const LayerRun& run, const Matrix& from, std::uint64_t first, Matrix& to);

/// Throws input_invalid for a matrix of another width than the model's keys give `what`, "queries".
void require_cols(const LayerRun& run, const Matrix& matrix, std::uint64_t cols, const char* what);

/// to += scale * what. Throws input_invalid where they are not of one width.
void add(const LayerRun& run, const Matrix& what, double scale, Matrix& to);

Matrix attend(const LayerRun& run, const Matrix& in);
/// A recurrent block: Mamba's, Mamba-2's or linear attention.
Matrix state_space(const LayerRun& run, const Matrix& in);
/// Linear attention by the gated delta rule.
Matrix delta_net(const LayerRun& run, const Matrix& in);
/// A gated convolution over the last few tokens.
Matrix short_convolution(const LayerRun& run, const Matrix& in);
/// The MLP, or experts that `routed` is the router's input for.
Matrix feed_forward(const LayerRun& run, const Matrix& in, const Matrix& routed);
/// The state that the layer computes on where a token has several, predicted from all of them.
Matrix predict_streams(const LayerRun& run);
/// Corrects all of them by what the layer made of it. After the last layer the first is what all come to.
void correct_streams(const LayerRun& run, const Matrix& state);
/// What the embedding that the layer has for itself gives where the state is `from`.
Matrix layer_embedding(const LayerRun& run, const Matrix& from);
/// Routed and shared experts.
Matrix mix_experts(const LayerRun& run, const Matrix& in, const Matrix& routed);

/// The matrices of an MLP and their biases; gate and biases may be empty. Without a gate of its own, one that
/// is part of `up` is its first half.
struct MlpWeights {
  const Matrix &gate, &up, &down;
  const std::vector<float>&gate_bias, &up_bias, &down_bias;
  std::string_view suffix;  ///< of the tensors' names: "", "_shexp", "_exps"
  std::string_view up_name = "ffn_up";
  std::uint64_t expert = 0;
  std::uint64_t experts = 1;
};
Matrix run_mlp(const LayerRun& run, const MlpWeights& mlp, const Matrix& in);

/// in * weights^T + bias, on all threads.
Matrix product(const LayerRun& run, const Matrix& in, const Matrix& weights, std::span<const float> bias);

}  // namespace qtz
