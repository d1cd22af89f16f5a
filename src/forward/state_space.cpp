// State-space blocks: Mamba's, where every channel has a decay of its own for each number of its state, and
// Mamba-2's, where the channels of a head share one. A state h of a channel with input x goes from token to
// token as
//   h = exp(step * decay) * h + step * x * write;   y = h . read + skip * x
#include <algorithm>
#include <cmath>

#include "forward/elementwise.h"
#include "forward/layer_run.h"
#include "qtz/core/error.h"
#include "qtz/core/parallel.h"

namespace qtz {

namespace {

/// What a scan works on. Channel c has its inputs, steps and outputs in column c; where heads share a step,
/// each of `channels_of_step` channels has the same.
struct Scan {
  const Matrix& inputs;
  const Matrix& steps;               ///< positive
  const Matrix& writes;              ///< [tokens, groups * state]
  const Matrix& reads;               ///< the same
  const std::vector<float>& decays;  ///< [steps, state], or one for each step
  const std::vector<float>& skips;   ///< of each step
  std::uint64_t state;
  std::uint64_t channels_of_step;
  std::uint64_t channels_of_group;
};

/// Channels `first` to `last` of one text.
void scan_channels(const Scan& scan, std::uint64_t start, std::uint64_t end, std::uint64_t first,
                   std::uint64_t last, Matrix& out) {
  const std::uint64_t size = scan.state;
  const bool one_decay = scan.decays.size() == scan.skips.size();
  std::vector<float> states((last - first) * size, 0.0f);
  for (std::uint64_t t = start; t < end; ++t) {
    for (std::uint64_t c = first; c < last; ++c) {
      const std::uint64_t s = c / scan.channels_of_step;
      const float step = scan.steps.row(t)[s];
      const float input = scan.inputs.row(t)[c];
      const float scaled = step * input;
      const std::uint64_t group = c / scan.channels_of_group * size;
      const float* write = scan.writes.row(t) + group;
      const float* read = scan.reads.row(t) + group;
      float* state = states.data() + (c - first) * size;
      float sum = 0.0f;
      if (one_decay) {
        const float decay = std::exp(step * scan.decays[s]);
        for (std::uint64_t n = 0; n < size; ++n) {
          state[n] = state[n] * decay + write[n] * scaled;
          sum += state[n] * read[n];
        }
      } else {
        const float* decays = scan.decays.data() + s * size;
        for (std::uint64_t n = 0; n < size; ++n) {
          state[n] = state[n] * std::exp(step * decays[n]) + write[n] * scaled;
          sum += state[n] * read[n];
        }
      }
      out.row(t)[c] = sum + scan.skips[s] * input;
    }
  }
}

Matrix scan_texts(const LayerRun& run, const Scan& scan) {
  constexpr std::uint64_t kChannels = 64;
  const std::uint64_t channels = scan.inputs.cols;
  Matrix out{scan.inputs.rows, channels, std::vector<float>(scan.inputs.values.size())};
  const std::uint64_t pieces = (channels + kChannels - 1) / kChannels;
  parallel_for(run.batch.texts() * pieces, run.threads, run.cancel, [&](unsigned, std::uint64_t i) {
    const std::uint64_t text = i / pieces;
    const std::uint64_t first = i % pieces * kChannels;
    scan_channels(scan, run.batch.starts[text], run.batch.end_of(text), first,
                  std::min(first + kChannels, channels), out);
  });
  return out;
}

/// Norms with the weights of "<part>" or, in models that norm these without, without.
Matrix normed_step(const LayerRun& run, std::string_view part, Matrix in) {
  if (run.has(part)) return normed(run, part, in);
  if (!run.graph.state_space.normed_steps) return in;
  for_row_pieces(run, in.rows, [&](std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t r = first; r < first + count; ++r)
      norm_row({in.row(r), in.cols}, run.graph.norm, run.graph.epsilon, {}, {});
  });
  return in;
}

Matrix mamba(const LayerRun& run, const Matrix& in) {
  const StateSpace& sizes = run.graph.state_space;
  const Matrix both = linear(run, "ssm_in", in);
  require_cols(run, both, 2 * sizes.inner, "channels and gates");
  Matrix inputs = convolve(run, "ssm_conv1d", columns(run, both, 0, sizes.inner));
  apply(run, inputs, silu);
  const Matrix all = linear(run, "ssm_x", inputs);
  require_cols(run, all, sizes.steps + 2 * sizes.state, "time steps, writes and reads");
  const Matrix writes = normed_step(run, "ssm_b_norm", columns(run, all, sizes.steps, sizes.state));
  const Matrix reads =
      normed_step(run, "ssm_c_norm", columns(run, all, sizes.steps + sizes.state, sizes.state));
  Matrix steps = linear(run, "ssm_dt", normed_step(run, "ssm_dt_norm", columns(run, all, 0, sizes.steps)));
  require_cols(run, steps, sizes.inner, "time steps");
  apply(run, steps, softplus);
  const Scan scan{inputs,
                  steps,
                  writes,
                  reads,
                  numbers(run, "ssm_a", sizes.inner * sizes.state),
                  numbers(run, "ssm_d", sizes.inner),
                  sizes.state,
                  1,
                  sizes.inner};
  Matrix out = scan_texts(run, scan);
  multiply_by(run, columns(run, both, sizes.inner, sizes.inner), silu, out);
  return linear(run, "ssm_out", out);
}

/// Norms each group of channels by itself.
void norm_groups(const LayerRun& run, Matrix& state) {
  if (!run.has("ssm_norm")) return;
  const std::uint64_t size = state.cols / run.graph.state_space.groups;
  const std::vector<float>& weight = run.weights.vector_if(run.name("ssm_norm") + ".weight", state.cols);
  for_row_pieces(run, state.rows, [&](std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t r = first; r < first + count; ++r) {
      for (std::uint64_t c = 0; c < state.cols; c += size) {
        norm_row({state.row(r) + c, size}, run.graph.norm, run.graph.epsilon,
                 std::span(weight).subspan(c, size), {});
      }
    }
  });
}

Matrix mamba2(const LayerRun& run, const Matrix& in) {
  const StateSpace& sizes = run.graph.state_space;
  const std::uint64_t heads = sizes.steps;
  const std::uint64_t shared = sizes.groups * sizes.state;
  if (sizes.inner % heads != 0 || heads % sizes.groups != 0) {
    throw Error(ErrorKind::input_invalid, "the model's keys share " + std::to_string(sizes.inner) +
                                              " channels among " + std::to_string(heads) + " heads in " +
                                              std::to_string(sizes.groups) + " groups");
  }
  const Matrix all = linear(run, "ssm_in", in);
  require_cols(run, all, 2 * sizes.inner + 2 * shared + heads, "gates, channels and time steps");
  Matrix mixed = convolve(run, "ssm_conv1d", columns(run, all, sizes.inner, sizes.inner + 2 * shared));
  apply(run, mixed, silu);
  const Matrix inputs = columns(run, mixed, 0, sizes.inner);
  const Matrix writes = columns(run, mixed, sizes.inner, shared);
  const Matrix reads = columns(run, mixed, sizes.inner + shared, shared);
  Matrix steps = columns(run, all, all.cols - heads, heads);
  const std::vector<float>& bias = run.weights.vector_if(run.name("ssm_dt") + ".bias", heads);
  for (std::uint64_t r = 0; !bias.empty() && r < steps.rows; ++r) {
    for (std::uint64_t c = 0; c < heads; ++c) steps.row(r)[c] += bias[c];
  }
  apply(run, steps, softplus);
  const Scan scan{inputs,
                  steps,
                  writes,
                  reads,
                  numbers(run, "ssm_a", heads),
                  numbers(run, "ssm_d", heads),
                  sizes.state,
                  sizes.inner / heads,
                  sizes.inner / sizes.groups};
  Matrix out = scan_texts(run, scan);
  multiply_by(run, columns(run, all, 0, sizes.inner), silu, out);
  norm_groups(run, out);
  return linear(run, "ssm_out", out);
}

}  // namespace

Matrix state_space(const LayerRun& run, const Matrix& in) {
  if (run.graph.state_space.inner == 0) {
    throw Error(ErrorKind::input_invalid,
                "layer " + std::to_string(run.layer) +
                    " has a state-space block, but the model's keys give it no size");
  }
  if (run.has("ssm_alpha") || run.has("ssm_ba")) return delta_net(run, in);
  return run.has("ssm_x") ? mamba(run, in) : mamba2(run, in);
}

}  // namespace qtz
