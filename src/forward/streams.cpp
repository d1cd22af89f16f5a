// AltUp: a token has several states side by side, and layers compute on one of them. What it is going to be
// is predicted from all before the layer, and by how far it came out otherwise all are corrected after it.
#include <algorithm>
#include <cmath>

#include "forward/elementwise.h"
#include "forward/layer_run.h"
#include "qtz/core/error.h"

namespace qtz {

namespace {

constexpr const char* kSpread = "altup_proj.weight";
constexpr const char* kMerge = "altup_unembd_proj.weight";

/// fn(token) for every token, on all threads.
template <typename Fn>
void for_tokens(const LayerRun& run, const Fn& fn) {
  for_row_pieces(run, run.states.rows, [&](std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t r = first; r < first + count; ++r) fn(r);
  });
}

float* stream(const LayerRun& run, std::uint64_t token, std::uint64_t index) {
  return run.states.row(token) + index * run.graph.width;
}

/// in * the matrix of stream `index`, which is not the first.
Matrix projected(const LayerRun& run, const char* name, std::uint64_t index, const Matrix& in) {
  const std::uint64_t width = run.graph.width;
  const Shape& shape = run.weights.shape(name);
  if (shape.rows() != (run.graph.streams - 1) * width || shape.cols() != width) {
    throw Error(ErrorKind::input_invalid, "tensor '" + std::string(name) + "' " + shape.to_string() +
                                              " is not a matrix of width " + std::to_string(width) +
                                              " for each of " + std::to_string(run.graph.streams - 1) +
                                              " further states");
  }
  return product(run, in, run.weights.read_rows(name, (index - 1) * width, width), {});
}

double mean_square(const float* values, std::uint64_t count) {
  double sum = 0.0;
  for (std::uint64_t i = 0; i < count; ++i)
    sum += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  return sum / static_cast<double>(count);
}

/// The factor that makes `values` as large as `like`.
float factor_to(const float* like, const float* values, std::uint64_t count) {
  constexpr double kLeast = 1e-5;
  return static_cast<float>(std::sqrt(mean_square(like, count)) /
                            std::sqrt(std::max(mean_square(values, count), kLeast)));
}

/// How much of each stream a state asks for, in -1..1: [tokens, streams].
Matrix asked_for(const LayerRun& run, const Matrix& state) {
  Matrix in = normed(run, "altup_router_norm", state);
  const auto scale = static_cast<float>(1.0 / static_cast<double>(run.graph.width));
  for (float& value : in.values) value *= scale;
  Matrix out = linear(run, "altup_router", in);
  require_cols(run, out, run.graph.streams, "a router of states");
  for (float& value : out.values) value = std::tanh(value);
  return out;
}

/// Before the first layer: the further states are projections of the first, as large as it is.
void spread(const LayerRun& run) {
  const std::uint64_t width = run.graph.width;
  const Matrix first = columns(run, run.states, 0, width);
  for (std::uint64_t index = 1; index < run.graph.streams; ++index) {
    const Matrix other = projected(run, kSpread, index, first);
    for_tokens(run, [&](std::uint64_t token) {
      const float factor = factor_to(first.row(token), other.row(token), width);
      for (std::uint64_t c = 0; c < width; ++c) stream(run, token, index)[c] = factor * other.row(token)[c];
    });
  }
}

/// After the last layer: the mean of the first state and the others' projections, as large as it is.
void merge(const LayerRun& run) {
  const std::uint64_t width = run.graph.width;
  const Matrix first = columns(run, run.states, 0, width);
  for (std::uint64_t index = 1; index < run.graph.streams; ++index) {
    const Matrix other = projected(run, kMerge, index, columns(run, run.states, index * width, width));
    for_tokens(run, [&](std::uint64_t token) {
      const float factor = factor_to(first.row(token), other.row(token), width);
      for (std::uint64_t c = 0; c < width; ++c) stream(run, token, 0)[c] += factor * other.row(token)[c];
    });
  }
  const auto share = static_cast<float>(1.0 / static_cast<double>(run.graph.streams));
  for_tokens(run, [&](std::uint64_t token) {
    for (std::uint64_t c = 0; c < width; ++c) stream(run, token, 0)[c] *= share;
  });
}

}  // namespace

Matrix predict_streams(const LayerRun& run) {
  const std::uint64_t width = run.graph.width;
  const std::uint64_t streams = run.graph.streams;
  if (run.layer == 0) spread(run);
  const Matrix active = columns(run, run.states, run.graph.active_stream * width, width);
  const Matrix shares = linear(run, "altup_predict_coef", asked_for(run, active));
  require_cols(run, shares, streams * streams, "shares of states");
  for_tokens(run, [&](std::uint64_t token) {
    const float* own = shares.row(token);
    std::vector<float> old(streams);
    for (std::uint64_t c = 0; c < width; ++c) {
      for (std::uint64_t i = 0; i < streams; ++i) old[i] = stream(run, token, i)[c];
      for (std::uint64_t to = 0; to < streams; ++to) {
        float sum = old[to];
        for (std::uint64_t from = 0; from < streams; ++from) sum += own[to * streams + from] * old[from];
        stream(run, token, to)[c] = sum;
      }
    }
  });
  return columns(run, run.states, run.graph.active_stream * width, width);
}

void correct_streams(const LayerRun& run, const Matrix& state) {
  const std::uint64_t width = run.graph.width;
  const std::uint64_t streams = run.graph.streams;
  const Matrix shares = linear(run, "altup_correct_coef", asked_for(run, state));
  require_cols(run, shares, streams, "shares of states");
  const std::vector<float>& scale = run.weights.vector_if(run.name("altup_correct_scale") + ".weight", width);
  Matrix active = state;
  for_tokens(run, [&](std::uint64_t token) {
    const float* predicted = stream(run, token, run.graph.active_stream);
    std::vector<float> news(state.row(token), state.row(token) + width);
    for (std::uint64_t c = 0; c < width; ++c) news[c] -= predicted[c];
    for (std::uint64_t i = 0; i < streams; ++i) {
      const float share = 1.0f + shares.row(token)[i];
      for (std::uint64_t c = 0; c < width; ++c) stream(run, token, i)[c] += share * news[c];
    }
    for (std::uint64_t c = 0; c < width; ++c)
      active.row(token)[c] = predicted[c] * (scale.empty() ? 1.0f : scale[c]);
  });
  if (run.graph.embedding_width > 0) {
    const Matrix embedded = layer_embedding(run, active);
    for_tokens(run, [&](std::uint64_t token) {
      for (std::uint64_t i = 1; i < streams; ++i) {
        for (std::uint64_t c = 0; c < width; ++c) stream(run, token, i)[c] += embedded.row(token)[c];
      }
    });
  }
  if (run.layer + 1 == run.graph.layers.size()) merge(run);
}

}  // namespace qtz
