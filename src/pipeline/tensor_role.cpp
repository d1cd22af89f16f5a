#include "tensor_role.h"

#include <array>
#include <charconv>

#include "qtz/core/text.h"

namespace qtz {
namespace {

struct RoleMark {
  std::string_view part;  ///< found anywhere in the name
  TensorRole role;
};

/// First match wins.
constexpr std::array kRoleMarks = {
    RoleMark{"attn_qkv.weight", TensorRole::attention_value},
    RoleMark{"attn_kv_b.weight", TensorRole::attention_value},
    RoleMark{"attn_v.weight", TensorRole::attention_value},
    RoleMark{"attn_k.weight", TensorRole::attention_key},
    RoleMark{"attn_q.weight", TensorRole::attention_query},
    RoleMark{"attn_output.weight", TensorRole::attention_output},
    RoleMark{"ffn_up", TensorRole::ffn_up},
    RoleMark{"ffn_gate", TensorRole::ffn_gate},
    RoleMark{"ffn_down", TensorRole::ffn_down},
};

struct KeptMark {
  std::string_view part;
  std::string_view why;
};

/// Tensors that are small and sensitive, or that the runtimes use in full precision.
constexpr std::array kKeptMarks = {
    KeptMark{"_norm.weight", "a norm"},
    KeptMark{"ffn_gate_inp.weight", "an expert router"},
    KeptMark{"ffn_gate_tid2eid.weight", "an expert routing table"},
    KeptMark{"altup", "AltUp, tiny"},
    KeptMark{"laurel", "LAuReL, tiny"},
    KeptMark{"per_layer_model_proj", "per-layer projection, kept whole"},
    KeptMark{"ssm_conv1d", "a state-space convolution, small"},
    KeptMark{"shortconv.conv.weight", "a short convolution, small"},
    KeptMark{"indexer.k_proj.weight", "an attention indexer, tiny"},
    KeptMark{"indexer.q_proj.weight", "an attention indexer, tiny"},
    KeptMark{"time_mix_first.weight", "RWKV time mixing, small"},
    KeptMark{"time_mix_w0.weight", "RWKV time mixing, small"},
    KeptMark{"time_mix_w1.weight", "RWKV time mixing, small"},
    KeptMark{"time_mix_w2.weight", "RWKV time mixing, small"},
    KeptMark{"time_mix_v0.weight", "RWKV time mixing, small"},
    KeptMark{"time_mix_v1.weight", "RWKV time mixing, small"},
    KeptMark{"time_mix_v2.weight", "RWKV time mixing, small"},
    KeptMark{"time_mix_a0.weight", "RWKV time mixing, small"},
    KeptMark{"time_mix_a1.weight", "RWKV time mixing, small"},
    KeptMark{"time_mix_a2.weight", "RWKV time mixing, small"},
    KeptMark{"time_mix_g1.weight", "RWKV time mixing, small"},
    KeptMark{"time_mix_g2.weight", "RWKV time mixing, small"},
    KeptMark{"time_mix_decay_w1.weight", "RWKV time mixing, small"},
    KeptMark{"time_mix_decay_w2.weight", "RWKV time mixing, small"},
    KeptMark{"time_mix_lerp_fused.weight", "RWKV time mixing, small"},
    KeptMark{"attn_rel_b.weight", "a relative position bias"},
    KeptMark{".position_embd", "a position embedding"},
    KeptMark{"sam.pos_embd", "a position embedding"},
    KeptMark{"sam.neck.", "a vision neck, small"},
    KeptMark{"sam.net_", "a vision neck, small"},
    KeptMark{".rel_pos", "relative positions"},
    KeptMark{".patch_embd", "a patch embedding"},
    KeptMark{".patch_merger", "a patch merger"},
    KeptMark{"a.rvq.codebook", "an audio codebook"},
    KeptMark{"mm.a.code_embd", "an audio codebook"},
};

/// Whole names.
constexpr std::array kKeptNames = {
    KeptMark{"position_embd.weight", "a position embedding"},
    KeptMark{"token_types.weight", "token types"},
};

bool contains(std::string_view text, std::string_view part) noexcept {
  return text.find(part) != std::string_view::npos;
}

/// GGUF does not count outer dimensions of 1: a [1, 256] matrix is a vector there.
bool is_vector(const Shape& shape) noexcept {
  for (std::size_t axis = 0; axis + 1 < shape.rank(); ++axis) {
    if (shape[axis] != 1) return false;
  }
  return true;
}

bool is_called_norm(std::string_view name) {
  return contains(ascii_lower(name), "norm");
}

}  // namespace

TensorRole role_of(std::string_view name) noexcept {
  if (name == "output.weight") return TensorRole::output;
  if (name == "token_embd.weight" || name == "per_layer_token_embd.weight")
    return TensorRole::token_embedding;
  for (const RoleMark& mark : kRoleMarks) {
    if (contains(name, mark.part)) return mark.role;
  }
  return TensorRole::other;
}

std::string_view role_name(TensorRole role) noexcept {
  switch (role) {
    case TensorRole::output:
      return "output";
    case TensorRole::token_embedding:
      return "token_embd";
    case TensorRole::attention_value:
      return "attn_v";
    case TensorRole::attention_key:
      return "attn_k";
    case TensorRole::attention_query:
      return "attn_q";
    case TensorRole::attention_output:
      return "attn_output";
    case TensorRole::ffn_down:
      return "ffn_down";
    case TensorRole::ffn_gate:
      return "ffn_gate";
    case TensorRole::ffn_up:
      return "ffn_up";
    case TensorRole::other:
      break;
  }
  return "other";
}

std::optional<std::uint32_t> layer_of(std::string_view name) noexcept {
  constexpr std::string_view kPrefix = "blk.";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  const char* const end = name.data() + name.size();
  std::uint32_t layer = 0;
  const auto [stop, error] = std::from_chars(name.data() + kPrefix.size(), end, layer);
  if (error != std::errc{} || stop == end || *stop != '.') return std::nullopt;
  return layer;
}

bool comes_before(std::string_view a, std::string_view b) noexcept {
  const auto layer_a = layer_of(a);
  const auto layer_b = layer_of(b);
  if (layer_a != layer_b) return layer_a < layer_b;  // no layer is less than any layer
  return a < b;
}

std::optional<std::string_view> never_quantized(std::string_view name, const Shape& shape, bool generic) {
  if (is_vector(shape)) return "a vector";
  if (!name.ends_with("weight")) return "not a weight";
  for (const KeptMark& kept : kKeptNames) {
    if (name == kept.part) return kept.why;
  }
  for (const KeptMark& kept : kKeptMarks) {
    if (contains(name, kept.part)) return kept.why;
  }
  if (generic && is_called_norm(name)) return "a norm";
  return std::nullopt;
}

}  // namespace qtz
