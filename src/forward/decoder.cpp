#include "qtz/forward/decoder.h"

#include <algorithm>
#include <cmath>

#include "forward/elementwise.h"
#include "forward/layer_run.h"
#include "qtz/core/error.h"
#include "qtz/core/parallel.h"
#include "qtz/linalg/products.h"

namespace qtz {

struct Decoder::Parts {
  Parts(const GgufModel& model, const Backend& backend, unsigned thread_count, const CancelToken& token)
      : graph(make_graph(model.architecture, model.metadata)),
        threads(thread_count),
        cancel(token),
        weights(model, backend, thread_count, token) {}

  Graph graph;
  unsigned threads;
  const CancelToken& cancel;
  Weights weights;
  Matrix output;  ///< read at the first logits
};

namespace {

/// Where the norm before the MLP stands.
std::string_view mlp_norm_of(const LayerRun& run) {
  for (const std::string_view part : {"ffn_norm", "attn_output_norm"}) {
    if (run.has(part)) return part;
  }
  return run.has("attn_norm") && run.has("post_attention_norm") ? "post_attention_norm" : "";
}

void add(const LayerRun& run, const Matrix& what, double scale, Matrix& to) {
  if (what.cols != to.cols) {
    throw Error(ErrorKind::input_invalid, "layer " + std::to_string(run.layer) + " gives states of " +
                                              std::to_string(what.cols) + " in a model of width " +
                                              std::to_string(to.cols));
  }
  const auto factor = static_cast<float>(scale);
  for_row_pieces(run, to.rows, [&](std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t i = first * to.cols; i < (first + count) * to.cols; ++i) {
      to.values[i] += factor * what.values[i];
    }
  });
}

/// Norms the state, or leaves it alone where the model norms outputs only.
Matrix before(const LayerRun& run, std::string_view part, const Matrix& state) {
  return run.graph.unweighted_norms || (!part.empty() && run.has(part)) ? normed(run, part, state) : state;
}

Matrix after(const LayerRun& run, std::string_view part, Matrix output) {
  return run.has(part) ? normed(run, part, output) : output;
}

/// Attention and MLP side by side. An MLP without a norm of its own reads what attention reads.
void run_parallel(const LayerRun& run, Matrix& state) {
  const Matrix mlp_in = before(run, run.has("ffn_norm") ? "ffn_norm" : "attn_norm", state);
  const Matrix attention = run.has("attn_norm_2") ? attend(run, normed(run, "attn_norm_2", state))
                           : run.has("ffn_norm")  ? attend(run, normed(run, "attn_norm", state))
                                                  : attend(run, mlp_in);
  const Matrix mlp = feed_forward(run, mlp_in);
  add(run, attention, run.graph.residual_scale, state);
  add(run, mlp, run.graph.residual_scale, state);
}

void run_one_after_the_other(const LayerRun& run, Matrix& state) {
  const std::string_view mlp_norm = mlp_norm_of(run);
  Matrix attention = attend(run, before(run, "attn_norm", state));
  if (mlp_norm != "post_attention_norm") attention = after(run, "post_attention_norm", std::move(attention));
  add(run, attention, run.graph.residual_scale, state);
  const Matrix mlp = after(run, "post_ffw_norm", feed_forward(run, before(run, mlp_norm, state)));
  add(run, mlp, run.graph.residual_scale, state);
}

/// The next texts of a batch that are run at a time, and the first one's first token. At least one; what they
/// need beside the weights is some times kTokens rows of the widest matrix.
std::pair<Batch, std::uint64_t> take_texts(const Batch& batch, std::uint64_t& text) {
  constexpr std::uint64_t kTokens = 2048;
  const std::uint64_t first = batch.starts[text];
  Batch piece;
  do {
    piece.starts.push_back(batch.starts[text] - first);
    ++text;
  } while (text < batch.texts() && batch.end_of(text) - first <= kTokens);
  const auto begin = batch.tokens.begin();
  piece.tokens.assign(begin + static_cast<std::ptrdiff_t>(first),
                      begin + static_cast<std::ptrdiff_t>(batch.end_of(text - 1)));
  return {std::move(piece), first};
}

bool is_parallel(const LayerRun& run) {
  if (run.graph.parallel) return true;
  return !run.graph.unweighted_norms && mlp_norm_of(run).empty() && !run.has("post_ffw_norm");
}

}  // namespace

Decoder::Decoder(const GgufModel& model, const Backend& backend, const DecoderOptions& options,
                 const CancelToken& cancel)
    : parts_(std::make_unique<Parts>(model, backend, resolve_threads(options.threads), cancel)) {
  const Weights& weights = parts_->weights;
  const Shape& embedding = weights.shape("token_embd.weight");
  if (embedding.rank() != 2 || embedding.cols() != parts_->graph.width) {
    throw Error(ErrorKind::input_invalid, "tensor 'token_embd.weight' " + embedding.to_string() +
                                              " does not belong to a model of width " +
                                              std::to_string(parts_->graph.width));
  }
  require_blas();
}

Decoder::~Decoder() = default;

std::uint64_t Decoder::layers() const noexcept {
  return parts_->graph.layers.size();
}

std::uint64_t Decoder::width() const noexcept {
  return parts_->graph.width;
}

std::uint64_t Decoder::vocabulary() const noexcept {
  return parts_->weights.shape("token_embd.weight").rows();
}

std::uint64_t Decoder::context() const noexcept {
  return parts_->graph.context;
}

std::vector<float> Decoder::embed(const Batch& batch) const {
  const Parts& parts = *parts_;
  Matrix state{batch.size(), width(), std::vector<float>(batch.size() * width())};
  for (const std::uint32_t token : batch.tokens) {
    if (token >= vocabulary()) {
      throw Error(ErrorKind::input_invalid, "token " + std::to_string(token) + " is beyond the " +
                                                std::to_string(vocabulary()) + " rows of the embedding");
    }
  }
  const auto scale = static_cast<float>(parts.graph.embedding_scale);
  parallel_for(batch.size(), parts.threads, parts.cancel, [&](unsigned, std::uint64_t i) {
    const Matrix row = parts.weights.read_rows("token_embd.weight", batch.tokens[i], 1);
    for (std::uint64_t c = 0; c < state.cols; ++c) state.row(i)[c] = row.values[c] * scale;
  });
  if (parts.weights.has("position_embd.weight")) {
    const Matrix positions = parts.weights.read("position_embd.weight");
    if (positions.cols != state.cols) {
      throw Error(ErrorKind::input_invalid, "tensor 'position_embd.weight' has rows of " +
                                                std::to_string(positions.cols) + " in a model of width " +
                                                std::to_string(state.cols));
    }
    for (std::uint64_t text = 0; text < batch.texts(); ++text) {
      for (std::uint64_t i = batch.starts[text]; i < batch.end_of(text); ++i) {
        const std::uint64_t position = i - batch.starts[text];
        if (position >= positions.rows) {
          throw Error(ErrorKind::input_invalid, "the model has positions up to " +
                                                    std::to_string(positions.rows) +
                                                    " only; choose a shorter context");
        }
        for (std::uint64_t c = 0; c < state.cols; ++c) state.row(i)[c] += positions.row(position)[c];
      }
    }
  }
  if (parts.weights.has("token_embd_norm.weight")) {
    const std::vector<float> weight = parts.weights.vector_if("token_embd_norm.weight", state.cols);
    const std::vector<float> bias = parts.weights.vector_if("token_embd_norm.bias", state.cols);
    for (std::uint64_t r = 0; r < state.rows; ++r) {
      norm_row({state.row(r), state.cols}, parts.graph.norm, parts.graph.epsilon, weight, bias);
    }
  }
  return std::move(state.values);
}

void Decoder::run_layer(std::uint64_t layer, const Batch& batch, std::vector<float>& states,
                        ActivationStatistics* statistics) const {
  const Parts& parts = *parts_;
  LayerWeights weights(parts.weights);
  for (std::uint64_t text = 0; text < batch.texts();) {
    const auto [piece, first] = take_texts(batch, text);
    const LayerRun run{parts.graph, weights, piece, layer, parts.threads, parts.cancel, statistics};
    float* const place = states.data() + first * width();
    Matrix state{piece.size(), width(), std::vector<float>(place, place + piece.size() * width())};
    if (is_parallel(run)) {
      run_parallel(run, state);
    } else {
      run_one_after_the_other(run, state);
    }
    std::copy(state.values.begin(), state.values.end(), place);
  }
}

void Decoder::logits(std::span<const float> states, std::vector<float>& out,
                     ActivationStatistics* statistics) {
  Parts& parts = *parts_;
  const std::uint64_t rows = states.size() / width();
  if (parts.output.empty()) {
    const bool tied = !parts.weights.has("output.weight");
    parts.output = parts.weights.read(tied ? "token_embd.weight" : "output.weight");
  }
  const Batch none;
  LayerWeights no_layer(parts.weights);
  const LayerRun run{parts.graph, no_layer, none, 0, parts.threads, parts.cancel};
  Matrix state{rows, width(), std::vector<float>(states.begin(), states.end())};
  const std::vector<float> weight = parts.weights.vector_if("output_norm.weight", width());
  const std::vector<float> bias = parts.weights.vector_if("output_norm.bias", width());
  for_row_pieces(run, rows, [&](std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t r = first; r < first + count; ++r) {
      norm_row({state.row(r), state.cols}, parts.graph.norm, parts.graph.epsilon, weight, bias);
    }
  });
  if (statistics != nullptr && parts.weights.has("output.weight")) {
    statistics->add("output.weight", {state.values.data(), state.rows, state.cols}, 0, 1, parts.threads,
                    parts.cancel);
  }
  Matrix result =
      product(run, state, parts.output, parts.weights.vector_if("output.bias", parts.output.rows));
  const auto scale = static_cast<float>(parts.graph.logit_scale);
  const auto cap = static_cast<float>(parts.graph.logit_cap);
  if (scale != 1.0f || cap > 0.0f) {
    for_row_pieces(run, rows, [&](std::uint64_t first, std::uint64_t count) {
      for (std::uint64_t i = first * result.cols; i < (first + count) * result.cols; ++i) {
        float& logit = result.values[i];
        logit *= scale;
        if (cap > 0.0f) logit = cap * std::tanh(logit / cap);
      }
    });
  }
  out = std::move(result.values);
}

}  // namespace qtz
