// Self-attention with grouped heads, windows, caps, linear biases, sinks; and latent attention (MLA), whose
// keys and values are made from a short vector.
#include <algorithm>
#include <cmath>
#include <limits>

#include "forward/elementwise.h"
#include "forward/layer_run.h"
#include "qtz/core/error.h"
#include "qtz/core/parallel.h"
#include "qtz/linalg/products.h"

namespace qtz {

namespace {

/// Queries, keys and values of all tokens, head beside head.
struct Heads {
  Matrix q, k, v;
  Matrix gate;  ///< of the outputs; empty where there is none
  std::uint64_t kv_heads;
  /// What the values of latent attention are made from, where it is asked what goes into their matrix.
  Matrix latent = {};
};

std::uint64_t longest_text(const Batch& batch) {
  std::uint64_t longest = 0;
  for (std::uint64_t text = 0; text < batch.texts(); ++text) {
    longest = std::max(longest, batch.end_of(text) - batch.starts[text]);
  }
  return longest;
}

void norm_without_weights(const LayerRun& run, Matrix& heads, std::uint64_t length) {
  for_row_pieces(run, heads.rows, [&](std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t r = first; r < first + count; ++r) {
      for (std::uint64_t c = 0; c < heads.cols; c += length)
        norm_row({heads.row(r) + c, length}, run.graph.norm, run.graph.epsilon, {}, {});
    }
  });
}

/// Norms each head by itself or, if the weights are as long as all heads together, all at once.
void norm_heads(const LayerRun& run, std::string_view part, Matrix& heads, std::uint64_t length) {
  const std::string name = run.name(part) + ".weight";
  if (!run.weights.has(name)) {
    if (run.own().normed_heads) norm_without_weights(run, heads, length);
    return;
  }
  const std::vector<float>& weight = run.weights.read(name).values;
  const std::vector<float>& bias = run.weights.vector_if(run.name(part) + ".bias", weight.size());
  const bool each_its_own = run.weights.shape(name).rank() == 2;
  const std::uint64_t normed = each_its_own ? length : weight.size();
  if (weight.empty() || heads.cols % normed != 0 || (each_its_own && weight.size() != heads.cols)) {
    throw Error(ErrorKind::input_invalid,
                "tensor '" + name + "' does not fit heads of " + std::to_string(length));
  }
  for_row_pieces(run, heads.rows, [&](std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t r = first; r < first + count; ++r) {
      for (std::uint64_t c = 0; c < heads.cols; c += normed) {
        const std::uint64_t at = each_its_own ? c : 0;
        const auto part_of = [&](const std::vector<float>& values) {
          return values.empty() ? std::span<const float>() : std::span(values).subspan(at, normed);
        };
        norm_row({heads.row(r) + c, normed}, run.graph.norm, run.graph.epsilon, part_of(weight),
                 part_of(bias));
      }
    }
  });
}

/// Turns the part of each head that begins at `offset`.
void turn_heads(const LayerRun& run, Matrix& heads, std::uint64_t length, std::uint64_t offset,
                const RopeTable& table, const std::vector<std::uint64_t>& positions) {
  if (table.pairs == 0) return;
  const RopeKind kind = run.own().rope.kind;
  for_row_pieces(run, heads.rows, [&](std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t r = first; r < first + count; ++r) {
      for (std::uint64_t c = offset; c < heads.cols; c += length) {
        turn({heads.row(r) + c, 2 * table.pairs}, table, kind, positions[r]);
      }
    }
  });
}

Rope rope_with_factors(const LayerRun& run) {
  Rope rope = run.own().rope;
  if (rope.kind == RopeKind::none || !rope.takes_factors) return rope;
  // There are as many as in the layers that turn most; the others take the first.
  std::uint64_t pairs = 0;
  for (const LayerGraph& layer : run.graph.layers) pairs = std::max(pairs, layer.rope.dims / 2);
  rope.factors = run.weights.vector_if("rope_freqs.weight", pairs);
  // Two sets: one for texts as long as in training, one for longer ones.
  if (run.weights.has("rope_factors_short.weight")) {
    const bool is_long =
        rope.original_context > 0.0 && static_cast<double>(longest_text(run.batch)) > rope.original_context;
    rope.factors =
        run.weights.vector_if(is_long ? "rope_factors_long.weight" : "rope_factors_short.weight", pairs);
  }
  return rope;
}

/// Scales queries far from the beginning up, so that attention over many positions stays as sharp.
void warm(const LayerRun& run, const std::vector<std::uint64_t>& positions, Matrix& queries) {
  constexpr double kStrength = 0.1;
  const std::uint64_t after = run.own().warm_after;
  if (after == 0) return;
  for (std::uint64_t r = 0; r < queries.rows; ++r) {
    const double times = std::floor(static_cast<double>(positions[r] + 1) / static_cast<double>(after));
    const auto scale = static_cast<float>(1.0 + kStrength * std::log1p(times));
    for (std::uint64_t c = 0; c < queries.cols; ++c) queries.row(r)[c] *= scale;
  }
}

/// Gates of every element or of every head, by a matrix of their own.
Matrix read_gates(const LayerRun& run, const Matrix& in) {
  const LayerGraph& own = run.own();
  Matrix gates = linear(run, "attn_gate", in);
  if (gates.cols != own.heads) return gates;
  Matrix wide{in.rows, own.heads * own.value, std::vector<float>(in.rows * own.heads * own.value)};
  for_row_pieces(run, in.rows, [&](std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t r = first; r < first + count; ++r) {
      for (std::uint64_t c = 0; c < wide.cols; ++c) wide.row(r)[c] = gates.row(r)[c / own.value];
    }
  });
  return wide;
}

/// Parts the queries from the gates beside them.
void take_gates(const LayerRun& run, Heads& heads) {
  const LayerGraph& own = run.own();
  require_cols(run, heads.q, 2 * own.heads * own.key, "queries and gates");
  const Matrix both = std::move(heads.q);
  heads.q = {both.rows, own.heads * own.key, std::vector<float>(both.values.size() / 2)};
  heads.gate = heads.q;
  for_row_pieces(run, both.rows, [&](std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t r = first; r < first + count; ++r) {
      for (std::uint64_t head = 0; head < own.heads; ++head) {
        const float* pair = both.row(r) + 2 * head * own.key;
        std::copy_n(pair, own.key, heads.q.row(r) + head * own.key);
        std::copy_n(pair + own.key, own.key, heads.gate.row(r) + head * own.key);
      }
    }
  });
}

/// Keys and values that an earlier layer made, as it left them.
void take_shared(const LayerRun& run, std::uint64_t k, std::uint64_t v, Heads& heads) {
  heads.k = columns(run, run.states, run.own().shared_kv, k);
  heads.v = columns(run, run.states, run.own().shared_kv + k, v);
}

void leave_shared(const LayerRun& run, const Heads& heads) {
  if (run.own().shared_kv == 0) return;
  put_columns(run, heads.k, run.own().shared_kv, run.states);
  put_columns(run, heads.v, run.own().shared_kv + heads.k.cols, run.states);
}

Heads plain_heads(const LayerRun& run, const Matrix& in) {
  const LayerGraph& own = run.own();
  const std::uint64_t q = own.heads * own.key;
  const std::uint64_t k = own.kv_heads * own.key;
  const std::uint64_t v = own.kv_heads * own.value;
  Heads heads{{}, {}, {}, {}, own.kv_heads};
  if (run.has("attn_qkv")) {
    const Matrix all = linear(run, "attn_qkv", in);
    require_cols(run, all, q + k + v, "queries, keys and values");
    heads.q = columns(run, all, 0, q);
    heads.k = columns(run, all, q, k);
    heads.v = columns(run, all, q + k, v);
  } else {
    heads.q = linear(run, "attn_q", in);
  }
  if (own.takes_kv) {
    take_shared(run, k, v, heads);
  } else if (heads.k.empty()) {
    heads.k = linear(run, "attn_k", in);
    // Without a matrix of their own, values are the keys before their norm.
    heads.v = run.has("attn_v") ? linear(run, "attn_v", in) : heads.k;
  }
  if (run.graph.gated_queries) take_gates(run, heads);
  if (run.has("attn_gate")) heads.gate = read_gates(run, in);
  require_cols(run, heads.q, q, "queries");
  require_cols(run, heads.k, k, "keys");
  require_cols(run, heads.v, v, "values");
  if (run.graph.clamp > 0.0) {
    const auto limit = static_cast<float>(run.graph.clamp);
    for (Matrix* matrix : {&heads.q, &heads.k, &heads.v}) {
      for (float& value : matrix->values) value = std::clamp(value, -limit, limit);
    }
  }
  const RopeTable table = make_rope_table(rope_with_factors(run), longest_text(run.batch));
  const std::vector<std::uint64_t> positions = positions_of(run.batch);
  const auto norm_and_turn = [&](std::string_view norm, Matrix& matrix) {
    if (!run.graph.norm_after_rope) norm_heads(run, norm, matrix, own.key);
    turn_heads(run, matrix, own.key, 0, table, positions);
    if (run.graph.norm_after_rope) norm_heads(run, norm, matrix, own.key);
  };
  norm_and_turn("attn_q_norm", heads.q);
  warm(run, positions, heads.q);
  if (own.takes_kv) return heads;
  norm_and_turn("attn_k_norm", heads.k);
  if (own.normed_values) norm_without_weights(run, heads.v, own.value);
  leave_shared(run, heads);
  return heads;
}

/// What chooses the positions that a token sees reads what attention does, and has nothing to choose here.
void collect_indexer(const LayerRun& run, const Matrix& in) {
  for (const std::string_view part : {"indexer.q_proj", "indexer.k_proj", "indexer.attn_k", "indexer.proj"}) {
    if (run.has(part)) run.collect(part, in);
  }
}

void require_short_texts(const LayerRun& run) {
  const std::uint64_t most = run.graph.longest_text;
  const std::uint64_t longest = longest_text(run.batch);
  if (most == 0 || longest <= most) return;
  throw Error(ErrorKind::input_invalid,
              "a text of " + std::to_string(longest) + " tokens needs the sparse attention of '" +
                  run.graph.arch + "', which the forward pass does not have",
              "with at most " + std::to_string(most) +
                  " tokens every token sees all before it; choose a shorter context");
}

/// Keys without positions, and values, of every head from the normed latent vectors.
void expand_latent(const LayerRun& run, const Matrix& latent, std::uint64_t plain, Heads& heads) {
  const LayerGraph& own = run.own();
  const bool split = run.has("attn_k_b");
  const Matrix& k_b = run.weights.read_if(run.name("attn_k_b") + ".weight");
  const Matrix& v_b = run.weights.read_if(run.name("attn_v_b") + ".weight");
  const Matrix& both = run.weights.read_if(run.name("attn_kv_b") + ".weight");
  const std::uint64_t rank = latent.cols;
  const std::uint64_t needed = own.heads * rank;
  const bool fits = split ? k_b.values.size() == needed * plain && v_b.values.size() == needed * own.value
                          : both.values.size() == needed * (plain + own.value);
  if (!fits) {
    throw Error(ErrorKind::input_invalid,
                "layer " + std::to_string(run.layer) + "'s latent attention does not fit its keys");
  }
  parallel_for(own.heads, run.threads, run.cancel, [&](unsigned, std::uint64_t head) {
    const MatrixView from{latent.values.data(), rank};
    float* keys = heads.k.values.data() + head * own.key;
    float* values = heads.v.values.data() + head * own.value;
    if (split) {
      multiply(from, {k_b.values.data() + head * rank * plain, plain}, keys, heads.k.cols, latent.rows, plain,
               rank);
      multiply_transposed(from, {v_b.values.data() + head * own.value * rank, rank}, values, heads.v.cols,
                          latent.rows, own.value, rank);
    } else {
      const float* weights = both.values.data() + head * (plain + own.value) * rank;
      multiply_transposed(from, {weights, rank}, keys, heads.k.cols, latent.rows, plain, rank);
      multiply_transposed(from, {weights + plain * rank, rank}, values, heads.v.cols, latent.rows, own.value,
                          rank);
    }
  });
}

/// "attn_k_b" multiplies queries when a model generates, so what goes into it are they without the turned
/// part, head beside head. "attn_kv_b", both matrices in one, multiplies latent vectors.
void collect_latent(const LayerRun& run, const Matrix& latent, std::uint64_t plain, Heads& heads) {
  if (run.observer == nullptr) return;
  if (!run.has("attn_k_b")) {
    run.collect("attn_kv_b", latent);
    return;
  }
  const LayerGraph& own = run.own();
  Matrix queries{heads.q.rows, own.heads * plain, std::vector<float>(heads.q.rows * own.heads * plain)};
  for (std::uint64_t r = 0; r < queries.rows; ++r) {
    for (std::uint64_t head = 0; head < own.heads; ++head)
      std::copy_n(heads.q.row(r) + head * own.key, plain, queries.row(r) + head * plain);
  }
  run.collect("attn_k_b", queries);
  heads.latent = latent;
}

Matrix latent_queries(const LayerRun& run, const Matrix& in) {
  if (!run.has("attn_q_a")) return linear(run, "attn_q", in);
  const Matrix latent = normed(run, "attn_q_a_norm", linear(run, "attn_q_a", in));
  if (run.has("indexer.attn_q_b")) run.collect("indexer.attn_q_b", latent);
  return linear(run, "attn_q_b", latent);
}

Heads latent_heads(const LayerRun& run, const Matrix& in) {
  const LayerGraph& own = run.own();
  const std::uint64_t rank = run.graph.latent_rank;
  const std::uint64_t turned = run.graph.latent_rope;
  const std::uint64_t plain = own.key - turned;
  Heads heads{{}, {}, {}, {}, own.heads};
  heads.q = latent_queries(run, in);
  require_cols(run, heads.q, own.heads * own.key, "queries");
  const Matrix both = linear(run, "attn_kv_a_mqa", in);
  require_cols(run, both, rank + turned, "latent vectors");
  const Matrix latent = normed(run, "attn_kv_a_norm", columns(run, both, 0, rank));
  Matrix shared = columns(run, both, rank, turned);

  const RopeTable table = make_rope_table(rope_with_factors(run), longest_text(run.batch));
  const std::vector<std::uint64_t> positions = positions_of(run.batch);
  turn_heads(run, heads.q, own.key, plain, table, positions);
  turn_heads(run, shared, turned, 0, table, positions);

  heads.k = {in.rows, own.heads * own.key, std::vector<float>(in.rows * own.heads * own.key)};
  heads.v = {in.rows, own.heads * own.value, std::vector<float>(in.rows * own.heads * own.value)};
  expand_latent(run, latent, plain, heads);
  collect_latent(run, latent, plain, heads);
  for_row_pieces(run, in.rows, [&](std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t r = first; r < first + count; ++r) {
      for (std::uint64_t head = 0; head < own.heads; ++head) {
        std::copy_n(shared.row(r), turned, heads.k.row(r) + head * own.key + plain);
      }
    }
  });
  return heads;
}

/// Slope of the linear bias of a head among `heads`.
float slope_of(double largest, std::uint64_t head, std::uint64_t heads) {
  std::uint64_t power = 1;
  while (2 * power <= heads) power *= 2;
  const bool is_first = head < power;
  const double base = std::exp2(-(is_first ? largest : largest / 2.0) / static_cast<double>(power));
  return static_cast<float>(
      std::pow(base, static_cast<double>(is_first ? head + 1 : 2 * (head - power) + 1)));
}

/// One row of scores to probabilities. `sink`: a further score that takes a share and gives nothing.
void to_probabilities(std::span<float> scores, const float* sink) {
  float top = sink == nullptr ? -std::numeric_limits<float>::infinity() : *sink;
  for (const float score : scores) top = std::max(top, score);
  double sum = sink == nullptr ? 0.0 : std::exp(static_cast<double>(*sink - top));
  for (float& score : scores) {
    score = std::exp(score - top);
    sum += static_cast<double>(score);
  }
  const auto scale = static_cast<float>(1.0 / sum);
  for (float& score : scores) score *= scale;
}

/// The first position that one sees.
std::uint64_t first_seen(const LayerGraph& layer, std::uint64_t position) {
  if (layer.chunk > 0) return position / layer.chunk * layer.chunk;
  return layer.window > 0 && position + 1 > layer.window ? position + 1 - layer.window : 0;
}

/// Attention of one head over some queries of one text.
class HeadPiece {
 public:
  HeadPiece(const LayerRun& run, const Heads& heads, float scale, std::span<const float> sinks, Matrix& out)
      : run_(run), heads_(heads), scale_(scale), sinks_(sinks), out_(out) {}

  /// `squares`: where the squares of the latent vectors that the head attends to are added, if there are any.
  void operator()(std::uint64_t start, std::uint64_t first, std::uint64_t count, std::uint64_t head,
                  std::vector<double>& squares) const {
    const LayerGraph& own = run_.own();
    const std::uint64_t kv = head / (own.heads / heads_.kv_heads);
    // Positions of the text that any of the queries sees.
    const std::uint64_t begin = first_seen(own, first);
    const std::uint64_t seen = first + count - begin;
    std::vector<float> scores(count * seen);
    multiply_transposed({heads_.q.row(start + first) + head * own.key, heads_.q.cols},
                        {heads_.k.row(start + begin) + kv * own.key, heads_.k.cols}, scores.data(), seen,
                        count, seen, own.key, scale_);
    const float slope =
        run_.graph.largest_slope > 0.0 ? slope_of(run_.graph.largest_slope, head, own.heads) : 0.0f;
    for (std::uint64_t r = 0; r < count; ++r) {
      const std::uint64_t position = first + r;
      const std::uint64_t from = first_seen(own, position) - begin;
      const std::uint64_t to = position + 1 - begin;
      const std::span<float> row(scores.data() + r * seen, seen);
      std::fill(row.begin(), row.begin() + static_cast<std::ptrdiff_t>(from), 0.0f);
      std::fill(row.begin() + static_cast<std::ptrdiff_t>(to), row.end(), 0.0f);
      const std::span<float> visible = row.subspan(from, to - from);
      if (run_.graph.attention_cap > 0.0) {
        const auto cap = static_cast<float>(run_.graph.attention_cap);
        for (float& score : visible) score = cap * std::tanh(score / cap);
      }
      if (slope != 0.0f) {
        for (std::size_t i = 0; i < visible.size(); ++i)
          visible[i] -= slope * static_cast<float>(visible.size() - 1 - i);
      }
      to_probabilities(visible, sinks_.empty() ? nullptr : &sinks_[head]);
    }
    multiply({scores.data(), seen}, {heads_.v.row(start + begin) + kv * own.value, heads_.v.cols},
             out_.row(start + first) + head * own.value, out_.cols, count, own.value, seen);
    if (!heads_.latent.empty()) add_squares({scores.data(), seen}, start + begin, count, seen, squares);
  }

 private:
  void add_squares(MatrixView scores, std::uint64_t first, std::uint64_t count, std::uint64_t seen,
                   std::vector<double>& squares) const {
    const std::uint64_t rank = heads_.latent.cols;
    std::vector<float> attended(count * rank);
    multiply(scores, {heads_.latent.row(first), rank}, attended.data(), rank, count, rank, seen);
    squares.resize(rank);
    for (std::uint64_t i = 0; i < attended.size(); ++i) {
      squares[i % rank] += static_cast<double>(attended[i]) * static_cast<double>(attended[i]);
    }
  }

  const LayerRun& run_;
  const Heads& heads_;
  float scale_;
  std::span<const float> sinks_;
  Matrix& out_;
};

struct Piece {
  std::uint64_t start, first, count, head;
  std::vector<double> squares = {};  ///< of HeadPiece
};

/// What goes into "attn_v_b" when a model generates: each head's mean of the latent vectors.
void collect_attended(const LayerRun& run, const std::vector<Piece>& pieces, const Matrix& latent) {
  if (latent.empty()) return;
  std::vector<double> squares(run.own().heads * latent.cols);
  for (const Piece& piece : pieces) {
    for (std::uint64_t c = 0; c < latent.cols; ++c) squares[piece.head * latent.cols + c] += piece.squares[c];
  }
  run.observer->add_squares(run.name("attn_v_b") + ".weight", squares, latent.rows);
}

}  // namespace

Matrix attend(const LayerRun& run, const Matrix& in) {
  constexpr std::uint64_t kQueries = 128;
  const LayerGraph& own = run.own();
  if (own.heads > 0 && own.kv_heads == 0 && !run.has("attn_k")) return linear(run, "attn_output", in);
  if (own.heads == 0 || own.kv_heads == 0) {
    throw Error(ErrorKind::input_invalid,
                "layer " + std::to_string(run.layer) +
                    " has tensors of attention, but the model's keys give it no heads");
  }
  require_short_texts(run);
  collect_indexer(run, in);
  const Heads heads = run.graph.latent_rank > 0 ? latent_heads(run, in) : plain_heads(run, in);
  const double scale = run.graph.attention_scale > 0.0 ? run.graph.attention_scale
                                                       : 1.0 / std::sqrt(static_cast<double>(own.key));
  const std::vector<float>& sinks = run.weights.vector_if(run.name("attn_sinks") + ".weight", own.heads);
  Matrix out{in.rows, own.heads * own.value, std::vector<float>(in.rows * own.heads * own.value)};

  std::vector<Piece> pieces;
  for (std::uint64_t text = 0; text < run.batch.texts(); ++text) {
    const std::uint64_t start = run.batch.starts[text];
    const std::uint64_t length = run.batch.end_of(text) - start;
    for (std::uint64_t first = 0; first < length; first += kQueries) {
      for (std::uint64_t head = 0; head < own.heads; ++head) {
        pieces.push_back({start, first, std::min(kQueries, length - first), head});
      }
    }
  }
  const HeadPiece compute(run, heads, static_cast<float>(scale), sinks, out);
  parallel_for(pieces.size(), run.threads, run.cancel, [&](unsigned, std::uint64_t i) {
    Piece& piece = pieces[i];
    compute(piece.start, piece.first, piece.count, piece.head, piece.squares);
  });
  collect_attended(run, pieces, heads.latent);
  if (!heads.gate.empty()) {
    require_cols(run, heads.gate, out.cols, "gates");
    multiply_by(run, heads.gate, run.graph.softplus_gates ? softplus : sigmoid, out);
  }
  if (run.has("attn_sub_norm")) out = normed(run, "attn_sub_norm", out);
  out = linear(run, "attn_output", out);
  if (run.graph.attention_output_scale != 1.0) {
    for (float& value : out.values) value *= static_cast<float>(run.graph.attention_output_scale);
  }
  return out;
}

}  // namespace qtz
