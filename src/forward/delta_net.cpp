// Linear attention by the gated delta rule. A head remembers a matrix S that gives values for keys; a token
// lets it fade, corrects what it gives for the token's key, and reads it with the token's query:
//   S = fade * S;   S = S + rate * (value - S key) key^T;   out = S query / sqrt(length)
#include <algorithm>
#include <cmath>

#include "forward/elementwise.h"
#include "forward/layer_run.h"
#include "qtz/core/error.h"
#include "qtz/core/parallel.h"

namespace qtz {

namespace {

/// Queries and keys of length one, values, and what each head of values fades and learns by.
struct DeltaHeads {
  Matrix mixed;  ///< queries, keys and values, head beside head
  Matrix fades;  ///< [tokens, value heads]
  Matrix rates;
};

void scale_to_length_one(std::span<float> head, double epsilon) {
  double sum = epsilon;
  for (const float x : head) sum += static_cast<double>(x) * static_cast<double>(x);
  const auto scale = static_cast<float>(1.0 / std::sqrt(sum));
  for (float& x : head) x *= scale;
}

/// The learning rates and fades of "ssm_beta" and "ssm_alpha" or, side by side for each head of keys, of
/// "ssm_ba".
void read_gates(const LayerRun& run, const Matrix& in, DeltaHeads& heads) {
  const StateSpace& sizes = run.graph.state_space;
  const std::uint64_t values = sizes.steps;
  if (run.has("ssm_ba")) {
    const Matrix both = linear(run, "ssm_ba", in);
    require_cols(run, both, 2 * values, "rates and fades");
    const std::uint64_t each = values / sizes.groups;
    heads.rates = {in.rows, values, std::vector<float>(in.rows * values)};
    heads.fades = heads.rates;
    for (std::uint64_t r = 0; r < in.rows; ++r) {
      for (std::uint64_t c = 0; c < values; ++c) {
        const float* group = both.row(r) + c / each * 2 * each;
        heads.rates.row(r)[c] = group[c % each];
        heads.fades.row(r)[c] = group[each + c % each];
      }
    }
  } else {
    heads.rates = linear(run, "ssm_beta", in);
    heads.fades = linear(run, "ssm_alpha", in);
    require_cols(run, heads.rates, values, "rates");
    require_cols(run, heads.fades, values, "fades");
  }
  const std::vector<float>& bias = run.weights.vector_if(run.name("ssm_dt") + ".bias", values);
  const std::vector<float>& decays = numbers(run, "ssm_a", values);
  for (std::uint64_t r = 0; r < in.rows; ++r) {
    for (std::uint64_t c = 0; c < values; ++c) {
      heads.rates.row(r)[c] = sigmoid(heads.rates.row(r)[c]);
      const float step = heads.fades.row(r)[c] + (bias.empty() ? 0.0f : bias[c]);
      heads.fades.row(r)[c] = std::exp(softplus(step) * decays[c]);
    }
  }
}

DeltaHeads make_heads(const LayerRun& run, const Matrix& in) {
  const StateSpace& sizes = run.graph.state_space;
  const std::uint64_t keys = sizes.groups * sizes.state;
  DeltaHeads heads;
  const Matrix plain = linear(run, "attn_qkv", in);
  require_cols(run, plain, 2 * keys + sizes.inner, "queries, keys and values");
  heads.mixed = convolve(run, "ssm_conv1d", plain);
  for_row_pieces(run, in.rows, [&](std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t r = first; r < first + count; ++r) {
      float* row = heads.mixed.row(r);
      for (std::uint64_t c = 0; c < plain.cols; ++c) row[c] = silu(row[c]);
      for (std::uint64_t c = 0; c < 2 * keys; c += sizes.state)
        scale_to_length_one({row + c, sizes.state}, run.graph.epsilon);
    }
  });
  read_gates(run, in, heads);
  return heads;
}

/// One head of values over one text.
void follow(const LayerRun& run, const DeltaHeads& heads, std::uint64_t text, std::uint64_t head,
            Matrix& out) {
  const StateSpace& sizes = run.graph.state_space;
  const std::uint64_t length = sizes.state;
  const std::uint64_t width = sizes.inner / sizes.steps;
  const std::uint64_t of_keys =
      run.graph.tiled_value_heads ? head % sizes.groups : head / (sizes.steps / sizes.groups);
  const std::uint64_t keys = sizes.groups * length;
  const auto scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(length)));
  std::vector<float> memory(width * length, 0.0f);
  for (std::uint64_t t = run.batch.starts[text]; t < run.batch.end_of(text); ++t) {
    const float* query = heads.mixed.row(t) + of_keys * length;
    const float* key = query + keys;
    const float* value = heads.mixed.row(t) + 2 * keys + head * width;
    const float fade = heads.fades.row(t)[head];
    const float rate = heads.rates.row(t)[head];
    float* result = out.row(t) + head * width;
    for (std::uint64_t v = 0; v < width; ++v) {
      float* row = memory.data() + v * length;
      float given = 0.0f;
      for (std::uint64_t k = 0; k < length; ++k) {
        row[k] *= fade;
        given += row[k] * key[k];
      }
      const float correction = rate * (value[v] - given);
      float read = 0.0f;
      for (std::uint64_t k = 0; k < length; ++k) {
        row[k] += correction * key[k];
        read += row[k] * query[k];
      }
      result[v] = read * scale;
    }
  }
}

}  // namespace

Matrix delta_net(const LayerRun& run, const Matrix& in) {
  const StateSpace& sizes = run.graph.state_space;
  if (sizes.inner % sizes.steps != 0 || sizes.steps % sizes.groups != 0) {
    throw Error(ErrorKind::input_invalid, "the model's keys share " + std::to_string(sizes.inner) +
                                              " values among " + std::to_string(sizes.steps) + " heads in " +
                                              std::to_string(sizes.groups) + " groups");
  }
  const DeltaHeads heads = make_heads(run, in);
  Matrix out{in.rows, sizes.inner, std::vector<float>(in.rows * sizes.inner)};
  parallel_for(run.batch.texts() * sizes.steps, run.threads, run.cancel,
               [&](unsigned, std::uint64_t i) { follow(run, heads, i / sizes.steps, i % sizes.steps, out); });
  const std::uint64_t width = sizes.inner / sizes.steps;
  const std::vector<float>& weight = run.weights.vector_if(run.name("ssm_norm") + ".weight", width);
  for_row_pieces(run, out.rows, [&](std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t r = first; r < first + count; ++r) {
      for (std::uint64_t c = 0; c < out.cols; c += width)
        norm_row({out.row(r) + c, width}, run.graph.norm, run.graph.epsilon, weight, {});
    }
  });
  const Matrix gates = linear(run, "attn_gate", in);
  require_cols(run, gates, sizes.inner, "gates");
  multiply_by(run, gates, silu, out);
  return linear(run, "ssm_out", out);
}

}  // namespace qtz
