#include "qtz/forward/decoder.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "forward/decoder_memory.h"
#include "forward/elementwise.h"
#include "forward/embedding.h"
#include "forward/layer_run.h"
#include "qtz/core/error.h"
#include "qtz/core/parallel.h"
#include "qtz/linalg/products.h"

namespace qtz {

struct Decoder::Parts {
  Parts(const GgufModel& model, const Backend& backend, const DecoderOptions& options,
        const CancelToken& token)
      : graph(make_graph(model.architecture, model.metadata)),
        threads(resolve_threads(options.threads)),
        batch(options.batch),
        cancel(token),
        weights(model, backend, threads, token) {}

  Graph graph;
  unsigned threads;
  std::uint64_t batch;  ///< tokens that are run at a time
  const CancelToken& cancel;
  Weights weights;
  std::uint64_t kept = std::numeric_limits<std::uint64_t>::max();
  /// Of kOutputRows rows each, those of the first `kept` bytes once they were read.
  std::vector<Matrix> output;

  std::string output_name() const {
    return weights.has("output.weight") ? "output.weight" : "token_embd.weight";
  }
  Matrix read_output(std::uint64_t first) const {
    const std::uint64_t rows = weights.shape(output_name()).rows();
    return weights.read_rows_alone(output_name(), first, std::min(kOutputRows, rows - first));
  }
  bool keeps_output(std::uint64_t part) const {
    return part < kept / (kOutputRows * graph.width * sizeof(float));
  }
};

namespace {

/// Where the norm before the MLP stands.
std::string_view mlp_norm_of(const LayerRun& run) {
  for (const std::string_view part : {"ffn_norm", "attn_output_norm"}) {
    if (run.has(part)) return part;
  }
  return run.has("attn_norm") && run.has("post_attention_norm") ? "post_attention_norm" : "";
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
  const Matrix mlp = feed_forward(run, mlp_in, mlp_in);
  add(run, attention, run.graph.residual_scale, state);
  add(run, mlp, run.graph.residual_scale, state);
}

bool has_mlp(const LayerRun& run) {
  return run.has("ffn_up") || run.has("ffn_gate_inp");
}

bool has_mixer(const LayerRun& run) {
  return run.has("attn_output") || run.has("ssm_out") || run.has("shortconv.out_proj");
}

/// What lets tokens see each other: attention, a state-space block, both side by side, or a convolution.
Matrix mix_tokens(const LayerRun& run, const Matrix& in) {
  if (run.has("shortconv.out_proj")) return short_convolution(run, in);
  if (!run.has("ssm_out")) return attend(run, in);
  Matrix mixed = state_space(run, in);
  if (run.has("attn_output")) add(run, attend(run, in), 1.0, mixed);
  return mixed;
}

/// Laurel: a way around attention through a few elements. The sum is made as large as one of both.
void add_low_rank(const LayerRun& run, const Matrix& in, Matrix& state) {
  add(run, in, 1.0, state);
  const Matrix narrow = linear(run, "laurel_l", in);
  add(run, normed(run, "laurel_post_norm", linear(run, "laurel_r", narrow)), 1.0, state);
  const auto half = static_cast<float>(std::sqrt(0.5));
  for (float& value : state.values) value *= half;
}

/// What the router beside an MLP reads: the state, normed without weights, times weights of its own.
Matrix router_input(const LayerRun& run, const Matrix& state) {
  Matrix in = normed(run, "", state);
  const std::vector<float>& weights = numbers(run, "ffn_gate_inp.scale", in.cols);
  const auto scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(in.cols)));
  for_row_pieces(run, in.rows, [&](std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t r = first; r < first + count; ++r) {
      for (std::uint64_t c = 0; c < in.cols; ++c) in.row(r)[c] *= scale * weights[c];
    }
  });
  return in;
}

/// Experts that read the state beside the MLP; what each of the two gives is normed before they are added.
void add_experts(const LayerRun& run, const Matrix& state, Matrix& mlp) {
  mlp = after(run, "post_ffw_norm_1", std::move(mlp));
  Matrix experts = mix_experts(run, normed(run, "pre_ffw_norm_2", state), router_input(run, state));
  add(run, after(run, "post_ffw_norm_2", std::move(experts)), 1.0, mlp);
}

void run_one_after_the_other(const LayerRun& run, Matrix& state) {
  Matrix first, experts;  // what the layer began with, and what experts beside attention and MLP give
  if (run.graph.routes_layer_inputs) first = state;
  if (run.has("ffn_norm_exps")) {
    const Matrix in = normed(run, "ffn_norm_exps", state);
    experts = mix_experts(run, in, in);
  }
  std::string_view mlp_norm = mlp_norm_of(run);
  if (has_mixer(run)) {
    const Matrix in = before(run, "attn_norm", state);
    Matrix mixed = mix_tokens(run, in);
    if (mlp_norm != "post_attention_norm") mixed = after(run, "post_attention_norm", std::move(mixed));
    add(run, mixed, run.graph.residual_scale, state);
    if (run.has("laurel_l")) add_low_rank(run, in, state);
  } else if (mlp_norm.empty()) {
    mlp_norm = "attn_norm";  // a layer's only norm has this name
  }
  if (!has_mlp(run)) return;
  const Matrix in = before(run, mlp_norm, state);
  Matrix mlp = feed_forward(run, in, first.empty() ? in : first);
  if (run.has("pre_ffw_norm_2")) add_experts(run, state, mlp);
  add(run, after(run, "post_ffw_norm", std::move(mlp)), run.graph.residual_scale, state);
  if (!experts.empty()) add(run, experts, run.graph.residual_scale, state);
}

/// In models whose layers end with a factor.
void scale_output(const LayerRun& run, Matrix& state) {
  const std::vector<float>& factor = run.weights.vector_if(run.name("layer_output_scale") + ".weight", 1);
  if (factor.empty()) return;
  for_row_pieces(run, state.rows, [&](std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t i = first * state.cols; i < (first + count) * state.cols; ++i)
      state.values[i] *= factor[0];
  });
}

/// The next texts of a batch that are run at a time, and the first one's first token.
std::pair<Batch, std::uint64_t> take_texts(const Batch& batch, std::uint64_t at_a_time, std::uint64_t& text) {
  const std::uint64_t first = batch.starts[text];
  Batch piece;
  do {
    piece.starts.push_back(batch.starts[text] - first);
    ++text;
  } while (text < batch.texts() && batch.end_of(text) - first <= at_a_time);
  const auto begin = batch.tokens.begin();
  piece.tokens.assign(begin + static_cast<std::ptrdiff_t>(first),
                      begin + static_cast<std::ptrdiff_t>(batch.end_of(text - 1)));
  return {std::move(piece), first};
}

/// The rows with zeros behind them.
Matrix widened(Matrix rows, std::uint64_t width) {
  if (rows.cols == width) return rows;
  Matrix wide{rows.rows, width, std::vector<float>(rows.rows * width)};
  for (std::uint64_t r = 0; r < rows.rows; ++r) std::copy_n(rows.row(r), rows.cols, wide.row(r));
  return wide;
}

bool is_parallel(const LayerRun& run) {
  if (run.graph.parallel) return true;
  if (!has_mixer(run) || !has_mlp(run)) return false;
  return !run.graph.unweighted_norms && mlp_norm_of(run).empty() && !run.has("post_ffw_norm");
}

void run_block(const LayerRun& run, Matrix& state) {
  if (is_parallel(run)) {
    run_parallel(run, state);
  } else {
    run_one_after_the_other(run, state);
  }
}

/// A model without a vocabulary has tokens from elsewhere.
void require_vocabulary(const GgufModel& model, std::uint64_t rows) {
  const GgufValue* tokens = model.metadata.find("tokenizer.ggml.tokens");
  if (tokens == nullptr || tokens->as_array() == nullptr || tokens->as_array()->size() == rows) return;
  throw Error(ErrorKind::input_invalid,
              "the vocabulary has " + std::to_string(tokens->as_array()->size()) +
                  " tokens, but the embedding has " + std::to_string(rows) + " rows",
              "they are not of one model; make the file again from its source");
}

}  // namespace

Decoder::Decoder(const GgufModel& model, const Backend& backend, const DecoderOptions& options,
                 const CancelToken& cancel)
    : parts_(std::make_unique<Parts>(model, backend, options, cancel)) {
  const Weights& weights = parts_->weights;
  const Shape& embedding = weights.shape("token_embd.weight");
  if (embedding.rank() != 2 || embedding.cols() != parts_->graph.width) {
    throw Error(ErrorKind::input_invalid, "tensor 'token_embd.weight' " + embedding.to_string() +
                                              " does not belong to a model of width " +
                                              std::to_string(parts_->graph.width));
  }
  const Shape& output = weights.shape(parts_->output_name());
  if (output.rank() != 2 || output != embedding) {
    throw Error(ErrorKind::input_invalid, "tensor '" + parts_->output_name() + "' " + output.to_string() +
                                              " does not fit the embedding " + embedding.to_string());
  }
  require_vocabulary(model, embedding.rows());
  parts_->output.resize((output.rows() + kOutputRows - 1) / kOutputRows);
  require_blas();
}

Decoder::~Decoder() = default;

std::uint64_t Decoder::layers() const noexcept {
  return parts_->graph.layers.size();
}

std::uint64_t Decoder::width() const noexcept {
  return parts_->graph.state_width;
}

std::uint64_t Decoder::vocabulary() const noexcept {
  return parts_->weights.shape("token_embd.weight").rows();
}

std::uint64_t Decoder::context() const noexcept {
  return parts_->graph.context;
}

DecoderMemory Decoder::memory(const Batch& batch, unsigned threads) const {
  return memory_of(parts_->graph, parts_->weights, batch, parts_->batch, threads);
}

void Decoder::limit_kept(std::uint64_t bytes) noexcept {
  parts_->kept = bytes;
}

void Decoder::set_threads(unsigned threads) noexcept {
  parts_->threads = threads;
  parts_->weights.set_threads(threads);
}

States Decoder::embed(const Batch& batch, StatePlace place) const {
  const Parts& parts = *parts_;
  const Embedding embedding(parts.graph, parts.weights, parts.threads, parts.cancel);
  States states(batch.size(), width(), place);
  for (std::uint64_t text = 0; text < batch.texts();) {
    const auto [piece, first] = take_texts(batch, parts.batch, text);
    states.write(first, piece.size(), widened(embedding.rows_of(piece), width()).values.data());
  }
  return states;
}

void Decoder::run_layer(std::uint64_t layer, const Batch& batch, States& states,
                        ActivationObserver* observer) const {
  run_pieces(layer, batch, states, &states, observer);
}

void Decoder::observe_layer(std::uint64_t layer, const Batch& batch, const States& states,
                            ActivationObserver& observer) const {
  run_pieces(layer, batch, states, nullptr, &observer);
}

void Decoder::run_pieces(std::uint64_t layer, const Batch& batch, const States& from, States* to,
                         ActivationObserver* observer) const {
  const Parts& parts = *parts_;
  LayerWeights weights(parts.weights, parts.kept);
  for (std::uint64_t text = 0; text < batch.texts();) {
    const auto [piece, first] = take_texts(batch, parts.batch, text);
    Matrix rows{piece.size(), width(), std::vector<float>(piece.size() * width())};
    from.read(first, piece.size(), rows.values.data());
    const LayerRun run{parts.graph, weights, piece, rows, layer, parts.threads, parts.cancel, observer};
    if (parts.graph.streams > 1) {
      Matrix state = predict_streams(run);
      run_block(run, state);
      correct_streams(run, state);
    } else {
      Matrix state = columns(run, rows, 0, parts.graph.width);
      run_block(run, state);
      if (parts.graph.embedding_width > 0) add(run, layer_embedding(run, state), 1.0, state);
      scale_output(run, state);
      put_columns(run, state, 0, rows);
    }
    if (to != nullptr) to->write(first, piece.size(), rows.values.data());
  }
}

void Decoder::logits(std::span<const float> states, std::vector<float>& out, ActivationObserver* observer) {
  Parts& parts = *parts_;
  const std::uint64_t rows = states.size() / width();
  const std::uint64_t model_width = parts.graph.width;
  Matrix state{rows, model_width, std::vector<float>(rows * model_width)};
  for (std::uint64_t r = 0; r < rows; ++r) {
    std::copy_n(states.data() + r * width(), model_width, state.row(r));
  }
  const std::string norm = parts.graph.embedding_norm_is_last ? "token_embd_norm" : "output_norm";
  const std::vector<float> weight = parts.weights.vector_if(norm + ".weight", model_width);
  const std::vector<float> bias = parts.weights.vector_if(norm + ".bias", model_width);
  parallel_for(rows, parts.threads, parts.cancel, [&](unsigned, std::uint64_t r) {
    norm_row({state.row(r), state.cols}, parts.graph.norm, parts.graph.epsilon, weight, bias);
  });
  if (observer != nullptr && parts.weights.has("output.weight")) {
    observer->add("output.weight", {state.values.data(), state.rows, state.cols}, 0, 1, parts.threads,
                  parts.cancel);
  }

  const std::uint64_t tokens = vocabulary();
  const std::vector<float> output_bias = parts.weights.vector_if("output.bias", tokens);
  const auto scale = static_cast<float>(parts.graph.logit_scale);
  const auto cap = static_cast<float>(parts.graph.logit_cap);
  out.resize(rows * tokens);
  parallel_for(parts.output.size(), parts.threads, parts.cancel, [&](unsigned, std::uint64_t i) {
    const std::uint64_t first = i * kOutputRows;
    Matrix& kept = parts.output[i];
    Matrix read;
    if (kept.empty()) read = parts.read_output(first);
    const Matrix& weights = kept.empty() ? read : kept;
    float* const column = out.data() + first;
    multiply_transposed({state.values.data(), state.cols}, {weights.values.data(), weights.cols}, column,
                        tokens, rows, weights.rows, state.cols);
    for (std::uint64_t r = 0; r < rows; ++r) {
      for (std::uint64_t c = 0; c < weights.rows; ++c) {
        float& logit = column[r * tokens + c];
        if (!output_bias.empty()) logit += output_bias[first + c];
        logit *= scale;
        if (cap > 0.0f) logit = cap * std::tanh(logit / cap);
      }
    }
    if (kept.empty() && parts.keeps_output(i)) kept = std::move(read);
  });
}

}  // namespace qtz
