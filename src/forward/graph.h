// What a decoder computes, as numbers: the architecture's row of graphs.def with the model's keys filled in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qtz/formats/gguf_value.h"

namespace qtz {

/// RMS: x / rms(x) * weight. Layer: (x - mean) / deviation * weight + bias.
enum class NormKind { rms, layer };

/// Which elements of a head turn together: neighbours (2i, 2i+1), or (i, i + half).
enum class RopeKind { none, neighbours, halves };

/// Of the MLP: act(gate) * up with a gate, act(up) without. gelu is the exact one, gelu_tanh its usual
/// approximation, capped_silu that of gpt-oss, xielu that of Apertus, with numbers of each layer.
enum class Activation { silu, gelu, gelu_tanh, relu, relu_squared, capped_silu, xielu };

/// How experts are weighted: a softmax over all, a sigmoid of each, or a softmax over the chosen ones.
enum class Routing { softmax, sigmoid, softmax_of_chosen };

/// Angles of rotary positions; position p turns pair i by p * frequency(i).
struct Rope {
  RopeKind kind = RopeKind::none;
  std::uint64_t dims = 0;  ///< of a head that turn, from its start
  double base = 10000.0;
  double linear_factor = 1.0;     ///< frequencies are divided by it
  double yarn_factor = 0.0;       ///< 0: no YaRN
  double original_context = 0.0;  ///< positions that the model was trained with before they were stretched
  double beta_fast = 32.0;
  double beta_slow = 1.0;
  bool whole_pairs = true;          ///< YaRN's borders are rounded to pairs
  double magnitude = 1.0;           ///< cosine and sine are multiplied by it
  bool takes_factors = true;        ///< of the model's tensors of factors
  std::vector<float> factors = {};  ///< frequencies are divided by these, one for each pair
};

/// positive * x^2 + beta * x above 0; negative * (e^min(x, epsilon) - 1 - x) + beta * x below.
struct Xielu {
  float positive = 0, negative = 0, beta = 0, epsilon = 0;
};

/// What may differ from layer to layer.
struct LayerGraph {
  std::uint64_t heads = 0;
  std::uint64_t kv_heads = 0;
  std::uint64_t key = 0;         ///< length of a head's query and key
  std::uint64_t value = 0;       ///< length of a head's value
  std::uint64_t window = 0;      ///< positions that a token sees, itself counted in; 0: all before it
  std::uint64_t chunk = 0;       ///< positions that see each other only; 0: all do
  bool normed_heads = false;     ///< queries and keys are normed without weights
  bool normed_values = false;    ///< values are, too
  std::uint64_t warm_after = 0;  ///< positions after which queries are scaled up; 0: never
  Rope rope;
  Xielu xielu;
  double expert_limit = 0.0;  ///< of the experts' act(gate) and |up|; 0: none
  double mlp_limit = 0.0;     ///< the same of dense MLPs and shared experts
  /// Gates of a dense MLP lose so many deviations above their mean, and those below it are 0; unset: none do.
  std::optional<double> gate_threshold;
  /// Column of the states from which keys and values are that several layers have in common; 0: own ones.
  std::uint64_t shared_kv = 0;
  bool takes_kv = false;  ///< they are those of an earlier layer
};

/// Sizes of state-space blocks.
struct StateSpace {
  std::uint64_t inner = 0;    ///< channels
  std::uint64_t state = 0;    ///< numbers that each channel remembers
  std::uint64_t steps = 0;    ///< Mamba: rank of the time steps; Mamba-2: heads, each with one time step
  std::uint64_t groups = 1;   ///< of heads that share how they are written and read
  bool normed_steps = false;  ///< time steps and what writes and reads the state are normed, without weights
};

struct Graph {
  std::string arch;
  std::uint64_t width = 0;
  /// Of all that goes with a token from layer to layer: its state, and what layers have in common.
  std::uint64_t state_width = 0;
  std::uint64_t streams = 1;          ///< states of a token side by side (AltUp)
  std::uint64_t active_stream = 0;    ///< that layers compute on
  std::uint64_t embedding_width = 0;  ///< of the embedding that each layer has for itself; 0: none
  std::uint64_t context = 0;          ///< that the model was trained with
  std::vector<LayerGraph> layers;

  NormKind norm = NormKind::rms;
  double epsilon = 1e-5;
  Activation activation = Activation::silu;
  bool parallel = false;          ///< attention and MLP read the same state
  bool unweighted_norms = false;  ///< norms before attention and MLP that have no tensors
  bool norm_after_rope = false;   ///< queries and keys are normed after they turned
  double embedding_scale = 1.0;
  double residual_scale = 1.0;
  double logit_scale = 1.0;      ///< logits are multiplied by it
  double logit_cap = 0.0;        ///< 0: none
  double attention_scale = 0.0;  ///< 0: one by the square root of the key's length
  double attention_cap = 0.0;
  double largest_slope = 0.0;  ///< of linear biases (ALiBi); 0: none
  double clamp = 0.0;          ///< of queries, keys and values; 0: none
  double attention_output_scale = 1.0;
  std::uint64_t longest_text = 0;  ///< that attention sees as a whole, as is done here; 0: any

  Routing routing = Routing::softmax;
  bool routes_layer_inputs = false;  ///< the router reads the state before attention, without a norm
  bool biased_is_sigmoid = false;    ///< experts that are chosen with a bias are weighted by sigmoids
  bool weighs_inputs = false;        ///< an expert's weight is that of its input, not of its output
  bool normalized_experts = true;    ///< weights of the chosen experts add up to one
  double expert_scale = 1.0;
  std::uint64_t experts_used = 0;
  std::uint64_t expert_groups = 0;  ///< 0 or 1: experts are chosen among all
  std::uint64_t expert_groups_used = 0;

  std::uint64_t latent_rank = 0;  ///< of keys and values (MLA); 0: no latent attention
  std::uint64_t latent_rope = 0;

  StateSpace state_space;
  /// Of linear attention: value head h has the keys of h modulo their number; else runs of heads share them.
  bool tiled_value_heads = false;
  bool softplus_gates = false;  ///< attention's outputs are gated by softplus(gate), not by sigmoid(gate)
  bool gated_queries = false;   ///< "attn_q" gives a gate for the output beside every head's query
  bool embedding_norm_is_last = false;  ///< "token_embd_norm" norms the states after the last layer
};

/// The graph of a model with these keys, without rope factors. Throws input_invalid for an architecture that
/// graphs.def does not have, naming those it has, and for keys that are missing or make no sense.
Graph make_graph(std::string_view arch, const KvList& keys);

}  // namespace qtz
